import { lockBundle } from '../bundle/index.ts';
import { SealiftError } from '../errors/index.ts';
import { type Run, withOptions } from '../operations/index.ts';
import { isInMemory, isRoot, readBootId, SYSTEM_CLOCK } from '../platform/index.ts';
import { chooseStoreFormat, type StoreBacking } from '../pull/index.ts';
import { createLayerMounts, createSnapshotter, mountedUppers } from '../snapshot/index.ts';
import {
  type MountState,
  mountState,
  openStore,
  type Store,
  type StoreOperations,
  storeStalled,
  type UpperStore,
} from '../store/index.ts';
import type { WorkerOperations } from './operations.ts';
import type { Parts } from './parts.ts';

type PoolParts = Pick<Parts, 'pool' | 'limits'>;

/** Runs a room's operations on the store's file system. Each is short: one that takes longer means a stalled disk. */
export function runInStore<Room extends keyof WorkerOperations>(
  { pool, limits }: PoolParts,
  room: Room,
): Run<WorkerOperations[Room]> {
  return withOptions(pool.runner(room), {
    deadline: { ms: limits.storeTimeoutMs, covers: 'system-call', stalled: storeStalled },
  });
}

/** Emptying the trash takes as long as the disk needs, so it has a lane of its own and no deadline. */
function runStoreIn(parts: PoolParts): Run<StoreOperations> {
  const run = runInStore(parts, 'store');
  const runInBackground = withOptions(parts.pool.runner('store'), { lane: 'background' });
  return (kind, request) => (kind === 'emptyTrash' ? runInBackground(kind, request) : run(kind, request));
}

/** The ports of the rooms that work on one store. */
export type BackingPorts = ReturnType<typeof storePorts>;

export function storePorts(parts: Parts, backing: StoreBacking) {
  const { limits, checkpoint } = parts;
  const runSnapshot = runInStore(parts, 'snapshot');
  const layerMounts = (store: MountState) =>
    createLayerMounts({
      runOperation: runSnapshot,
      store,
      mountsDir: store.layerMountsDir,
      tryLock: store.tryMountLock,
      clock: SYSTEM_CLOCK,
      lockTimeoutMs: limits.lockTimeoutMs,
      verity: backing.trees,
      allowDirectories: backing.allowDirectories,
    });
  return {
    runSnapshot,
    runBundle: runInStore(parts, 'bundle'),
    lockBundle: (directory: string, signal?: AbortSignal) =>
      lockBundle(directory, { clock: SYSTEM_CLOCK, timeoutMs: limits.lockTimeoutMs, signal }),
    openStore: () => openStoreAt(backing, parts, (state) => layerMounts(state).sweep()),
    openLayerMounts: layerMounts,
    /** Does not open the store, whose disk may have failed. */
    sweepLayerMounts: () => layerMounts(mountState(backing.stateDir)).sweep(),
    chooseLayerFormat: (dataDir: string) => chooseStoreFormat(backing, runSnapshot, dataDir),
    openSnapshotter: (store: UpperStore & MountState) =>
      createSnapshotter({ runOperation: runSnapshot, store, layerMounts: layerMounts(store), limits, checkpoint }),
  };
}

async function openStoreAt(
  { dataDir, stateDir, minFreeBytes }: StoreBacking,
  parts: Parts,
  sweepLayerMounts: (state: MountState) => Promise<void>,
): Promise<Store> {
  if (!isRoot()) throw new SealiftError('PRIVILEGE_REQUIRED', 'open store: expected root, got an ordinary user');
  return openStore({
    stateDir,
    minFreeBytes,
    backings: [{ dir: dataDir, writable: true }],
    bootId: readBootId(),
    // An index in memory does not outlive a crash of the machine, so its layers need not be synced.
    durable: !isInMemory(stateDir),
    lockTimeoutMs: parts.limits.lockTimeoutMs,
    limits: parts.limits,
    clock: SYSTEM_CLOCK,
    epochMs: () => Date.now(),
    checkpoint: parts.checkpoint,
    runOperation: runStoreIn(parts),
    findMountedUppers: mountedUppers,
    sweepLayerMounts,
  });
}
