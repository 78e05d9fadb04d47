import type { SizeBound } from '../../../src/limits/index.ts';

/** The bound on an image config, as a pull applies it. */
export function configBound(maxBytes: number): SizeBound {
  return { maxBytes, limit: 'maxConfigBytes', what: 'image config' };
}
