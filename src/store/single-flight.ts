import { AsyncLocalStorage } from 'node:async_hooks';
import { raceCancellation, SealiftError } from '../errors/index.ts';
import type { Clock } from '../platform/index.ts';
import type { HeldLock } from './lock-file.ts';
import { CANCELLED, pollLock, throwIfCancelled } from './poll-lock.ts';

interface SingleFlightPorts<Key, Found> {
  /** Looks without taking a lock. */
  find(key: Key): Promise<Found | undefined>;
  /** Looks with the lock of `key` held, and may remove what it finds broken. */
  findLocked(key: Key): Promise<Found | undefined>;
  /** Takes the lock of `key` among processes without waiting. */
  tryLock(key: Key): HeldLock | undefined;
  readonly clock: Clock;
  readonly lockTimeoutMs: number;
}

export interface SingleFlight<Key, Found> {
  /** See {@link LayerStore.withLayer}. */
  run(key: Key, make: () => Promise<Found>, signal?: AbortSignal): Promise<Found>;
  /** True while a `make` of this key runs in this process with the lock held. */
  isMaking(key: Key): boolean;
}

/** One call of a `make`. */
interface MakeAttempt {
  readonly key: string;
  isRunning: boolean;
}

/** The leader's result as its followers see it; undefined when the leader failed. */
type Flight<Found> = Promise<{ readonly found: Found } | undefined>;

/** Allows one maker at a time for each key, in this process and among all processes that share the lock files. */
export function createSingleFlight<Key extends string, Found>(
  ports: SingleFlightPorts<Key, Found>,
): SingleFlight<Key, Found> {
  const flights = new Map<Key, Flight<Found>>();
  const making = new Set<Key>();
  const attempts = new AsyncLocalStorage<MakeAttempt>();

  async function run(key: Key, make: () => Promise<Found>, signal?: AbortSignal): Promise<Found> {
    assertHoldsNone(attempts.getStore(), key);
    for (;;) {
      throwIfCancelled(signal);
      const found = await ports.find(key);
      if (found !== undefined) return found;
      const flight = flights.get(key);
      if (flight === undefined) return lead(key, make, signal);
      // The flight goes on for the others when this caller is cancelled.
      const joined = await raceCancellation(flight, signal, CANCELLED);
      if (joined !== undefined) return joined.found;
    }
  }

  async function lead(key: Key, make: () => Promise<Found>, signal: AbortSignal | undefined): Promise<Found> {
    const flight = Promise.withResolvers<{ readonly found: Found } | undefined>();
    flights.set(key, flight.promise);
    let result: { readonly found: Found } | undefined;
    try {
      result = { found: await findOrMake(key, make, signal) };
      return result.found;
    } finally {
      // Removed before the followers wake, so that the first follower of a failed leader becomes the leader.
      flights.delete(key);
      flight.resolve(result);
    }
  }

  async function findOrMake(key: Key, make: () => Promise<Found>, signal: AbortSignal | undefined): Promise<Found> {
    const { clock, lockTimeoutMs: timeoutMs } = ports;
    const lock = await pollLock(() => ports.tryLock(key), { clock, timeoutMs, signal });
    if (lock === undefined) return findAfterTimeout(key);
    const attempt: MakeAttempt = { key, isRunning: true };
    making.add(key);
    try {
      return (await ports.findLocked(key)) ?? (await attempts.run(attempt, make));
    } finally {
      attempt.isRunning = false;
      making.delete(key);
      lock.release({ remove: true });
    }
  }

  async function findAfterTimeout(key: Key): Promise<Found> {
    const found = await ports.find(key);
    if (found !== undefined) return found;
    throw new SealiftError(
      'STORE_LOCK_TIMEOUT',
      `wait for layer ${key}: expected the process that makes it to finish within ${ports.lockTimeoutMs} ms, but it has not`,
      { context: { key, limit: 'lockTimeoutMs', expected: ports.lockTimeoutMs } },
    );
  }

  return { run, isMaking: (key) => making.has(key) };
}

/** Prevents a deadlock of two pulls that each make one layer and wait for the other's. */
function assertHoldsNone(attempt: MakeAttempt | undefined, wanted: string): void {
  if (!attempt?.isRunning) return;
  throw new SealiftError(
    'INTERNAL',
    `wait for layer ${wanted}: expected a caller that makes no layer, but it makes ${attempt.key}`,
  );
}
