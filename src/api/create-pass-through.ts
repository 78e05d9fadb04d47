import { SealiftError } from '../errors/index.ts';
import { type ClientLimits, callOnce, type Reply } from '../ttrpc/index.ts';
import type { PassedCall } from './types.ts';

/** What asking may fail with that says nothing of the hub: its client has no more time, or is gone. */
function isOfClient(error: unknown, { signal }: PassedCall): boolean {
  return signal.aborted && signal.reason === error;
}

/**
 * Calls for a confidential-data-hub, passed on and answered byte for byte: nothing of them is read or kept. Each has a
 * connection of its own, which ends when its client gives up. Throws `API_PASS_THROUGH_FAILED`, or the signal's reason.
 */
export function createPassThrough(socketPath: string, limits: ClientLimits): (call: PassedCall) => Promise<Reply> {
  return async (call) => {
    const { service, method, payload, metadata, timeoutNanos, signal } = call;
    try {
      return await callOnce(socketPath, { service, method, payload, metadata, timeoutNanos, signal }, limits);
    } catch (cause) {
      if (isOfClient(cause, call)) throw cause;
      const { message } = cause as Error;
      throw new SealiftError('API_PASS_THROUGH_FAILED', `ask confidential-data-hub: ${message}`, { cause });
    }
  };
}
