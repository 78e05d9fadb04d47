import type { BlobBound } from '../../../src/registry/index.ts';

/** The bound on an image config, as a pull has it. */
export function configBound(maxBytes: number): BlobBound {
  return { maxBytes, limit: 'maxConfigBytes', what: 'image config' };
}
