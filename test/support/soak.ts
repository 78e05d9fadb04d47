/**
 * True for `make soak`, which runs the same tests with the full counts: every row of each matrix and every round. Without
 * it each kind of case has at least one row.
 */
export const IS_SOAK = process.env['SEALIFT_SOAK'] !== undefined;
