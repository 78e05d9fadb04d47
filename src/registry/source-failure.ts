import { type ErrorCode, SealiftError } from '../errors/index.ts';

/**
 * Errors after which the next endpoint is asked. Archive errors are included because they can occur before the blob
 * digest is checked, when the bytes may be the endpoint's own; errors found after the digest matched are the image's
 * fault and are not listed.
 */
const SOURCE_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'HTTP_UNAVAILABLE',
  'HTTP_PROXY_AUTH_REQUIRED',
  'HTTP_PROXY_REFUSED',
  'HTTP_REDIRECT_REFUSED',
  'HTTP_RESPONSE_INVALID',
  'HTTP_STATUS_UNEXPECTED',
  'AUTHFILE_HELPER_FAILED',
  'REGISTRY_AUTH_REJECTED',
  'REGISTRY_AUTH_UNSUPPORTED',
  'REGISTRY_MANIFEST_UNKNOWN',
  'REGISTRY_BLOB_UNKNOWN',
  'MANIFEST_DIGEST_MISMATCH',
  'MANIFEST_INVALID',
  'JSON_INVALID',
  'DIGEST_INVALID',
  'BLOB_DIGEST_MISMATCH',
  'BLOB_SIZE_MISMATCH',
  'TAR_INVALID',
  'TAR_UNSUPPORTED',
  'UNPACK_PATH_ESCAPE',
  'UNPACK_ENTRY_INVALID',
  'LAYER_LIMIT_EXCEEDED',
]);

/** True if another endpoint of the same image may do better: never after a denial, a bug or a fault of the disk. */
export function isSourceFailure(error: unknown): error is SealiftError {
  return error instanceof SealiftError && SOURCE_FAILURES.has(error.code);
}

/** True if the endpoint answered with other bytes than those that were asked for. */
export function isWrongBytes({ kind }: SealiftError): boolean {
  return kind === 'corrupt';
}
