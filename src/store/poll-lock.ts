import { cancellation } from '../errors/index.ts';
import type { Clock } from '../platform/index.ts';

/** Locks are polled, because flock(2) can only wait by blocking the thread. */
const POLL_MS = 50;

export const CANCELLED = 'wait for layer: the pull was cancelled';

/**
 * Calls `attempt` until it returns a lock or `timeoutMs` have passed; undefined after that. Throws `PULL_CANCELLED`.
 */
export async function pollLock<Lock>(
  attempt: () => Lock | undefined,
  wait: { readonly clock: Clock; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Lock | undefined> {
  const { clock, timeoutMs, signal } = wait;
  const deadline = clock.nowMs() + timeoutMs;
  for (;;) {
    throwIfCancelled(signal);
    const lock = attempt();
    if (lock !== undefined) return lock;
    const left = deadline - clock.nowMs();
    if (left <= 0) return undefined;
    await clock.sleep(Math.min(POLL_MS, left), signal);
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancellation(signal, CANCELLED);
}
