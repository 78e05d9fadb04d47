import { SealiftError } from '../errors/index.ts';

/** The error for an operation that did not return before the deadline `storeTimeoutMs`. */
export function storeStalled(ms: number): SealiftError {
  return new SealiftError('STORE_STALLED', `store: expected its file system to answer within ${ms} ms, got no answer`, {
    context: { limit: 'storeTimeoutMs', expected: ms },
  });
}
