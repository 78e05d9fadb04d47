import { SealiftError } from '../errors/index.ts';
import { type Digest, digestAlgorithm, hashBytes } from '../oci/index.ts';

/** Throws `BLOB_SIZE_MISMATCH` for bytes of another size, and `code` for bytes with another digest. */
export function verifyDocument(
  bytes: Uint8Array,
  expected: { readonly digest: Digest; readonly size?: number | undefined },
  code: 'MANIFEST_DIGEST_MISMATCH' | 'BLOB_DIGEST_MISMATCH',
): void {
  const { digest, size = bytes.length } = expected;
  if (bytes.length !== size) {
    throw new SealiftError('BLOB_SIZE_MISMATCH', `${digest}: expected ${size} bytes, got ${bytes.length}`, {
      context: { expected: size, actual: bytes.length },
    });
  }
  const actual = hashBytes(bytes, digestAlgorithm(digest));
  if (actual === digest) return;
  throw new SealiftError(code, `${digest}: expected bytes with this digest, got ${actual}`, {
    context: { expected: digest, actual },
  });
}
