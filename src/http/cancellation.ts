import { SealiftError } from '../errors/index.ts';

/** Returns the error for an aborted signal: its reason if that is a SealiftError, otherwise `PULL_CANCELLED`. */
export function cancellation(signal: AbortSignal): SealiftError {
  if (signal.reason instanceof SealiftError) return signal.reason;
  return new SealiftError('PULL_CANCELLED', 'request was cancelled', { cause: signal.reason });
}

/** Settles like `work`, or rejects as soon as the signal aborts. It does not stop `work`. */
export async function raceCancellation<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const cancel = () => reject(cancellation(signal));
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
