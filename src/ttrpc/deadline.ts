import { SealiftError } from '../errors/index.ts';

const NANOS_PER_MS = 1_000_000;
/** https://nodejs.org/api/timers.html#settimeoutcallback-delay-args: a longer delay would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** Returns the deadline in milliseconds; undefined when there is none, or one that is too long for a timer. */
export function deadlineMs(timeoutNanos: bigint | undefined): number | undefined {
  if (timeoutNanos === undefined || timeoutNanos === 0n) return undefined;
  const ms = Math.max(0, Number(timeoutNanos) / NANOS_PER_MS);
  return ms > MAX_TIMER_MS ? undefined : ms;
}

export function deadlineExceeded(subject: string, timeoutNanos: bigint | undefined): SealiftError {
  const timeoutMs = Math.round(Number(timeoutNanos) / NANOS_PER_MS);
  const message = `${subject}: not finished within the ${timeoutMs} ms that the client allows`;
  return new SealiftError('TTRPC_DEADLINE_EXCEEDED', message, { context: { timeoutMs } });
}
