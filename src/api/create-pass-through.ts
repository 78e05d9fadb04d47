import { SealiftError } from '../errors/index.ts';
import { type ClientLimits, callOnce, type Reply } from '../ttrpc/index.ts';
import type { PassedCall } from './types.ts';

/** True if our own client timed out or hung up; the failure is then not the hub's. */
function isClientGone(error: unknown, { signal }: PassedCall): boolean {
  return signal.aborted && signal.reason === error;
}

/**
 * Returns a function that passes a call on to confidential-data-hub and returns its response, byte for byte: nothing of
 * either is read or kept. Each call has a connection of its own, which ends when our client gives up. Throws
 * `API_PASS_THROUGH_FAILED`, or the signal's reason.
 */
export function createPassThrough(socketPath: string, limits: ClientLimits): (call: PassedCall) => Promise<Reply> {
  return async (call) => {
    const { service, method, payload, metadata, timeoutNanos, signal } = call;
    try {
      return await callOnce(socketPath, { service, method, payload, metadata, timeoutNanos, signal }, limits);
    } catch (cause) {
      if (isClientGone(cause, call)) throw cause;
      const { message } = cause as Error;
      throw new SealiftError('API_PASS_THROUGH_FAILED', `pass a call on to confidential-data-hub: ${message}`, {
        cause,
      });
    }
  };
}
