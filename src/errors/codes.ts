import { CODES_OF_IMAGES } from './codes-of-images.ts';
import { CODES_OF_MACHINES } from './codes-of-machines.ts';

/**
 * Every code that Sealift can answer with, grouped by room. A released code is never renamed or given another kind.
 * docs/errors.md is generated from this table.
 */
export const CODES = { ...CODES_OF_IMAGES, ...CODES_OF_MACHINES };

export type ErrorCode = keyof typeof CODES;
