import { type ErrorCode, SealiftError } from '../errors/index.ts';

/**
 * What one place may have got wrong and another may have right. Where a layer breaks off before its digest is known, the
 * archive in it may be the place's invention, so its faults are here too; those found behind the digest are not.
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

/** Whether another place of the same image may do better. A denial never is, nor a fault of ours or of the disk. */
export function isSourceFailure(error: unknown): error is SealiftError {
  return error instanceof SealiftError && SOURCE_FAILURES.has(error.code);
}

/** The place answered, and with something else than what was asked for. */
export function isWrongBytes({ kind }: SealiftError): boolean {
  return kind === 'corrupt';
}
