import { SealiftError } from '../errors/index.ts';
import type { LayerKey } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import type { HeldLock } from './lock-file.ts';
import { pollLock } from './poll-lock.ts';
import { type StoreContext, tryUseLock } from './store-context.ts';
import type { Lease } from './types.ts';

/** See {@link Lease}. It holds shared locks, which the kernel releases when the process ends. */
export function openLease(context: StoreContext): Lease {
  const { stateDir, clock, lockTimeoutMs: timeoutMs } = context.options;
  const held = new Map<LayerKey | Digest, HeldLock>();

  async function hold(thing: LayerKey | Digest, signal?: AbortSignal): Promise<void> {
    if (held.has(thing)) return;
    const lock = await pollLock(() => tryUseLock(stateDir, thing, 'shared'), { clock, timeoutMs, signal });
    if (lock === undefined) throw leaseTimeout(thing, timeoutMs);
    if (held.has(thing) || !context.leases.has(lease)) letGo(lock);
    else held.set(thing, lock);
  }

  const lease: Lease = {
    hold,
    held: () => new Set(held.keys()),
    release: () => {
      context.leases.delete(lease);
      for (const lock of held.values()) letGo(lock);
      held.clear();
    },
  };
  context.leases.add(lease);
  return lease;
}

/** The last holder removes the lock's file. A failed conversion loses the lock, which is released here anyway. */
function letGo(lock: HeldLock): void {
  lock.release({ remove: lock.tryConvert('exclusive') });
}

function leaseTimeout(thing: string, timeoutMs: number): SealiftError {
  return new SealiftError(
    'STORE_LOCK_TIMEOUT',
    `hold ${thing}: expected the process that removes it to finish within ${timeoutMs} ms, but it still holds the lock`,
    { context: { thing, limit: 'lockTimeoutMs', expected: timeoutMs } },
  );
}
