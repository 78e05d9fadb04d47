import { randomBytes } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import { isUpperId } from './layout.ts';
import type { HeldLock } from './lock-file.ts';
import { assertUpperId, listMountIds, removeMount } from './mount-record.ts';
import { mountState, type StoreContext, tryUpperLock } from './store-context.ts';
import type { Upper } from './types.ts';

/** The lock is taken first, because an upper with neither lock nor mount has no owner and may be removed. */
export async function createUpper(context: StoreContext): Promise<Upper> {
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  const id = randomBytes(16).toString('hex');
  const lock = tryUpperLock(stateDir, id);
  if (lock === undefined) throw new SealiftError('INTERNAL', `make upper ${id}: expected a new id, got one in use`);
  context.uppers.set(id, lock);
  try {
    return await runOperation('makeUpper', { dataDir, id });
  } catch (error) {
    settleUpper(context, id);
    throw error;
  }
}

export function settleUpper(context: StoreContext, id: string): void {
  context.uppers.get(id)?.release({ remove: true });
  context.uppers.delete(id);
}

export async function trashUpper(context: StoreContext, id: string): Promise<boolean> {
  const { dataDir } = context;
  const { runOperation } = context.options;
  const isMoved = await runOperation('moveToTrash', { dataDir, area: 'uppers', name: assertUpperId(id) });
  if (isMoved) context.trash.start();
  settleUpper(context, id);
  return isMoved;
}

/** See {@link UpperStore.sweepUppers}. Records of mounts that ended are removed even if their upper is gone already. */
export async function sweepUppers(context: StoreContext): Promise<number> {
  const { dataDir } = context;
  const { stateDir, runOperation, findMountedUppers, sweepLayerMounts } = context.options;
  const recorded = listMountIds(stateDir).filter(isUpperId);
  const { uppers } = await runOperation('listData', { dataDir });
  const ids = [...new Set([...recorded, ...uppers.filter(isUpperId)])];
  const mounted = findMountedUppers(ids);
  const locks = lockUppers(
    stateDir,
    ids.filter((id) => !mounted.has(id)),
  );
  try {
    // Looked at again with the locks held: an upper that was being mounted before may be mounted by now.
    const alive = findMountedUppers([...locks.keys()]);
    let swept = 0;
    for (const id of locks.keys()) {
      if (alive.has(id)) continue;
      removeMount(stateDir, id);
      if (await trashUpper(context, id)) swept += 1;
    }
    // Layer images are kept mounted for recorded mounts, and some of these records were just removed.
    if (swept > 0) await sweepLayerMounts(mountState(stateDir));
    return swept;
  } finally {
    for (const lock of locks.values()) lock.release({ remove: true });
  }
}

/** Takes the locks that no other process holds. */
function lockUppers(stateDir: string, ids: readonly string[]): ReadonlyMap<string, HeldLock> {
  const locks = new Map<string, HeldLock>();
  for (const id of ids) {
    const lock = tryUpperLock(stateDir, id);
    if (lock !== undefined) locks.set(id, lock);
  }
  return locks;
}
