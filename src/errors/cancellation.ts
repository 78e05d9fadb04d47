import { SealiftError } from './sealift-error.ts';

const MESSAGE = 'request was cancelled';

/** Returns the error for an aborted signal: its reason if that is a SealiftError, otherwise `PULL_CANCELLED`. */
export function cancellation({ reason }: AbortSignal, message = MESSAGE): SealiftError {
  if (reason instanceof SealiftError) return reason;
  return new SealiftError('PULL_CANCELLED', message, { cause: reason });
}

/** Settles like `work`, or rejects as soon as the signal aborts. It does not stop `work`. */
export async function raceCancellation<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  message = MESSAGE,
): Promise<T> {
  if (signal === undefined) return work;
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const cancel = () => reject(cancellation(signal, message));
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    return await Promise.race([work, cancelled]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
