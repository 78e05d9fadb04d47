export { performBundleOperation } from './perform-bundle-operation.ts';
export type { BundleOperation, BundleOutcome, GivenBundle, PreparedBundle } from './types.ts';
