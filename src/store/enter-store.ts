import { SealiftError } from '../errors/index.ts';
import { claimState, readBootId } from './claim-state.ts';
import type { HeldLock } from './lock-file.ts';
import { pollLock } from './poll-lock.ts';
import { recoverExclusively, recoverShared } from './recover.ts';
import { type StoreContext, tryStoreLock } from './store-context.ts';

/** Recovers what crashes left and returns the store's lock, held shared. The caller releases it. */
export async function enterStore(context: StoreContext): Promise<HeldLock> {
  const { stateDir, clock, lockTimeoutMs: timeoutMs } = context.options;
  claimState(stateDir);
  const entry = await pollLock(() => tryEnter(context), { clock, timeoutMs });
  if (entry === undefined) throw storeBusy(context);
  const { lock, isExclusive } = entry;
  try {
    if (!isExclusive) {
      await recoverShared(context);
      return lock;
    }
    await recoverExclusively(context);
    if (lock.tryConvert('shared')) return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
  // A conversion releases the lock for a moment, in which another process may have taken it to recover as well.
  lock.release();
  return shareLock(context);
}

function tryEnter(context: StoreContext): { readonly lock: HeldLock; readonly isExclusive: boolean } | undefined {
  const { stateDir, bootId } = context.options;
  const exclusive = tryStoreLock(stateDir, 'exclusive');
  if (exclusive !== undefined) return { lock: exclusive, isExclusive: true };
  const shared = tryStoreLock(stateDir, 'shared');
  if (shared === undefined) return undefined;
  if (readBootId(stateDir) === bootId) return { lock: shared, isExclusive: false };
  // Another process has not begun the recovery that this boot needs; the exclusive lock will be free in a moment.
  shared.release();
  return undefined;
}

async function shareLock(context: StoreContext): Promise<HeldLock> {
  const { stateDir, clock, lockTimeoutMs: timeoutMs } = context.options;
  const lock = await pollLock(() => tryStoreLock(stateDir, 'shared'), { clock, timeoutMs });
  if (lock === undefined) throw storeBusy(context);
  return lock;
}

function storeBusy({ options: { stateDir, lockTimeoutMs } }: StoreContext): SealiftError {
  return new SealiftError(
    'STORE_LOCK_TIMEOUT',
    `open store ${stateDir}: expected its lock within ${lockTimeoutMs} ms, but another process still holds it`,
    { context: { path: stateDir, limit: 'lockTimeoutMs', expected: lockTimeoutMs } },
  );
}
