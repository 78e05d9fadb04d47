import { SealiftError } from '../errors/index.ts';
import type { Digest } from '../oci/index.ts';
import { neededImages, oldestUnmounted } from './find-needed.ts';
import { removeDamagedImageRecords, removeImageRecord } from './image-record.ts';
import { removeDamagedNames, removeName } from './names.ts';
import { pollLock } from './poll-lock.ts';
import { recoverShared } from './recover.ts';
import { createTally, type RemovalTally } from './removal-tally.ts';
import { removeUnneeded } from './remove-unneeded.ts';
import { type StoreContext, tryPruneLock, tryUseLock } from './store-context.ts';
import { type References, readReferences } from './store-index.ts';
import type { PruneOptions, Removal } from './types.ts';
import { sweepUppers } from './uppers.ts';

/** See {@link ImageIndex.prune}; why it runs beside pulls: docs/adr/0013-removing-beside-pulls.md */
export function prune(context: StoreContext, { all, signal }: PruneOptions): Promise<Removal> {
  const work = async (quiet: StoreContext): Promise<Removal> => {
    const tally = createTally();
    await removeGarbage(quiet, tally);
    if (!all) return tally;
    const doomed = oldestUnmounted(readReferences(context.options.stateDir)).map(
      ({ manifestDigest }) => manifestDigest,
    );
    removeImages(quiet, { digests: doomed, mayGo: isUnmounted }, tally);
    await removeUnneeded(quiet, tally);
    await emptyTrash(quiet, tally);
    return tally;
  };
  return underPruneLock(context, work, signal);
}

/**
 * Runs `work` while no other process removes anything. What `work` moves to the trash is not deleted in the background,
 * so that it can be measured. Throws `STORE_LOCK_TIMEOUT`, and `PULL_CANCELLED` while it waits for the lock.
 */
export async function underPruneLock<Result>(
  context: StoreContext,
  work: (quiet: StoreContext) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const { stateDir, clock, lockTimeoutMs: timeoutMs } = context.options;
  const lock = await pollLock(() => tryPruneLock(stateDir), { clock, timeoutMs, signal });
  if (lock === undefined) throw pruneTimeout(stateDir, timeoutMs);
  try {
    await context.trash.idle();
    return await work({ ...context, trash: { start: () => {}, idle: async () => {} } });
  } finally {
    lock.release({ remove: true });
    // A `work` that failed may have left something in the trash.
    context.trash.start();
  }
}

/** Removes everything that no name, mount or pull needs. */
export async function removeGarbage(context: StoreContext, tally: RemovalTally): Promise<void> {
  tally.uppers += await sweepUppers(context);
  await recoverShared(context);
  const { stateDir } = context.options;
  // A pull that replaces a damaged record at this moment may lose the new one. Its image then only counts as unnamed.
  removeDamagedNames(stateDir);
  removeDamagedImageRecords(stateDir);
  const { names, images } = readReferences(stateDir);
  // Names that lead to no image are included.
  const digests = [...names.map(({ digest }) => digest), ...images.map(({ manifestDigest }) => manifestDigest)];
  removeImages(context, { digests, mayGo: isUnneeded }, tally);
  await removeUnneeded(context, tally);
  await emptyTrash(context, tally);
}

interface ImageRemoval {
  readonly digests: readonly Digest[];
  /** True for an image that is to be removed, as the records say under its lock. */
  readonly mayGo: (references: References, digest: Digest) => boolean;
}

/** Removes names and records of images that `mayGo` and that no pull works with. Their layers are unneeded then. */
export function removeImages({ options }: StoreContext, { digests, mayGo }: ImageRemoval, tally: RemovalTally): void {
  const { stateDir } = options;
  for (const digest of new Set(digests)) {
    const lock = tryUseLock(stateDir, digest, 'exclusive');
    if (lock === undefined) continue;
    try {
      const references = readReferences(stateDir);
      if (mayGo(references, digest)) removeImage(digest, { stateDir, references, tally });
    } finally {
      lock.release({ remove: true });
    }
  }
}

interface IndexChange {
  readonly stateDir: string;
  readonly references: References;
  readonly tally: RemovalTally;
}

/** Removes names and record of an image. Call it with the image's lock held. */
export function removeImage(digest: Digest, { stateDir, references, tally }: IndexChange): void {
  const { names, images } = references;
  for (const { reference } of names.filter((name) => name.digest === digest)) {
    removeName(stateDir, reference);
    tally.names.push(reference);
  }
  if (images.some(({ manifestDigest }) => manifestDigest === digest)) tally.images.push(digest);
  removeImageRecord(stateDir, digest);
}

export function isUnmounted({ mounts }: References, digest: Digest): boolean {
  return mounts.every(({ imageDigest }) => imageDigest !== digest);
}

function isUnneeded(references: References, digest: Digest): boolean {
  return neededImages(references).every(({ manifestDigest }) => manifestDigest !== digest);
}

/** Deletes what is in the trash now and adds the freed bytes to the tally. */
export async function emptyTrash({ dataDir, options }: StoreContext, tally: RemovalTally): Promise<void> {
  const { runOperation } = options;
  const before = await runOperation('measureTrash', { dataDir });
  const { failed } = await runOperation('emptyTrash', { dataDir });
  const left = failed > 0 ? await runOperation('measureTrash', { dataDir }) : 0;
  tally.freedBytes += Math.max(before - left, 0);
}

function pruneTimeout(stateDir: string, timeoutMs: number): SealiftError {
  return new SealiftError(
    'STORE_LOCK_TIMEOUT',
    `remove from store ${stateDir}: expected another removal to finish within ${timeoutMs} ms, but it is still running`,
    { context: { path: stateDir, limit: 'lockTimeoutMs', expected: timeoutMs } },
  );
}
