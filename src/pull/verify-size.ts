import { SealiftError } from '../errors/index.ts';
import { type Limits, limitExceeded, type SizeBound } from '../limits/index.ts';
import type { Descriptor } from '../oci/index.ts';

/** The bound on an image config. */
export function configBound({ maxConfigBytes: maxBytes }: Limits): SizeBound {
  return { maxBytes, limit: 'maxConfigBytes', what: 'image config' };
}

/** The bound on a manifest or index. */
export function manifestBound({ maxManifestBytes: maxBytes }: Limits): SizeBound {
  return { maxBytes, limit: 'maxManifestBytes', what: 'manifest' };
}

/**
 * Checks a document that has its digest. Documents of the store and fetched ones are checked alike, so that a pull is
 * accepted or refused whatever is in the store. Throws `BLOB_SIZE_MISMATCH`, and the code of the limit.
 */
export function verifySize(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  { length }: Uint8Array,
  { maxBytes, limit, what }: SizeBound,
): void {
  const largest = Math.max(size, length);
  if (largest > maxBytes)
    throw limitExceeded(`${what} ${digest}: bytes`, { limit, expected: maxBytes, actual: largest });
  if (length === size) return;
  throw new SealiftError('BLOB_SIZE_MISMATCH', `${what} ${digest}: expected ${size} bytes, got ${length}`, {
    context: { expected: size, actual: length },
  });
}
