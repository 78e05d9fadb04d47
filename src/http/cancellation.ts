import { SealiftError } from '../errors/index.ts';

/** What an aborted signal means as an error: its own reason where that is one of ours. */
export function cancellation(signal: AbortSignal): SealiftError {
  if (signal.reason instanceof SealiftError) return signal.reason;
  return new SealiftError('PULL_CANCELLED', 'request was cancelled', { cause: signal.reason });
}

/** Settles as `work` does, or rejects at once when the signal aborts; `work` itself goes on. */
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
