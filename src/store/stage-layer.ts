import { readFileSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import type { LayerSummary } from '../layer-facts/index.ts';
import { type LayerImage, type LayerKey, layerFormatOf } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import { assertFactsFit } from './facts-budget.ts';
import { pathFactsOf, removeLayerRecord, writeLayerRecord } from './layer-record.ts';
import { dataPath, statePath } from './layout.ts';
import type { HeldLock } from './lock-file.ts';
import { reconcileLayer } from './reconcile-layer.ts';
import { removeRecord, stagedFactsPath } from './record-file.ts';
import { type StoreContext, tryStagingLock } from './store-context.ts';
import type { KnownLayer, LayerRecord, Staging } from './types.ts';

export interface StagedKey {
  readonly key: LayerKey;
  readonly diffId: Digest;
  /** True while the caller holds the lock of the key. */
  isMaking(): boolean;
}

/** Begins a layer in a directory of its own. A lock shows other processes that its owner is alive. */
export async function stageLayer(context: StoreContext, staged: StagedKey): Promise<Staging> {
  const { dataDir } = context;
  const { stateDir, runOperation, checkpoint } = context.options;
  const { name, lock } = nextStagingName(stateDir, context.stagings);
  try {
    const directory = await runOperation('makeStaging', { dataDir, name });
    checkpoint('staging-made');
    const factsPath = stagedFactsPath(statePath.layers(stateDir), name);
    return staging(context, staged, { name, lock, directory, factsPath });
  } catch (error) {
    lock.release({ remove: true });
    throw error;
  }
}

/** Tries names until a lock is free: another store in this process may be counting as well. */
function nextStagingName(stateDir: string, stagings: { count: number }): Pick<OwnedStaging, 'name' | 'lock'> {
  for (;;) {
    stagings.count += 1;
    const name = `${process.pid}-${processStartTime()}-${stagings.count}`;
    const lock = tryStagingLock(stateDir, name);
    if (lock !== undefined) return { name, lock };
  }
}

/** Returns the start time in clock ticks since boot, field 22 of https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function processStartTime(): string {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fieldsFromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fieldsFromThird[22 - 3] ?? '0';
}

interface OwnedStaging {
  readonly name: string;
  readonly lock: HeldLock;
  readonly directory: string;
  readonly factsPath: string;
}

function staging(context: StoreContext, staged: StagedKey, owned: OwnedStaging): Staging {
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  const { factsPath } = owned;
  let isOpen = true;

  async function discard(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    try {
      removeRecord(factsPath);
      if (await runOperation('moveToTrash', { dataDir, area: 'staging', name: owned.name })) context.trash.start();
    } finally {
      owned.lock.release({ remove: true });
    }
  }

  async function publish(facts: LayerSummary, image?: LayerImage): Promise<KnownLayer> {
    assertMayPublish(staged, isOpen);
    assertFormat(staged.key, image);
    const { key, diffId } = staged;
    const diskBytes = await runOperation('measureStaging', { dataDir, name: owned.name, key, image });
    const known = { key, diffId, state: 'published', facts, diskBytes } as const;
    const record: LayerRecord = image === undefined ? known : { ...known, image };
    const theirs = await reconcileLayer(context, staged.key);
    if (theirs === undefined) assertFactsFit(context, facts);
    if (theirs === undefined && (await publishTree(context, owned, record))) {
      isOpen = false;
      owned.lock.release({ remove: true });
    } else {
      await discard();
    }
    return (
      theirs ?? {
        kind: 'published',
        layer: { record, path: dataPath.layer(dataDir, key), paths: pathFactsOf(stateDir, record) },
      }
    );
  }

  return { directory: owned.directory, factsPath, publish, discard };
}

function assertMayPublish(staged: StagedKey, isOpen: boolean): void {
  if (isOpen && staged.isMaking()) return;
  const actual = isOpen ? 'one without the lock' : 'one that has ended';
  throw new SealiftError(
    'INTERNAL',
    `publish layer ${staged.key}: expected an open staging under the lock, got ${actual}`,
  );
}

function assertFormat(key: LayerKey, image: LayerImage | undefined): void {
  if ((layerFormatOf(key).fileType === 'file') === (image !== undefined)) return;
  const actual = image === undefined ? 'no image' : 'an image';
  throw new SealiftError(
    'INTERNAL',
    `publish layer ${key}: expected an image exactly when the format is one of images, got ${actual}`,
  );
}

/**
 * Writes the record, then renames. In this order a crash leaves a record without a layer, which counts as nothing; a
 * layer without a record is removed at start. Returns false when another process without the lock has published the same
 * key, verified as well; that layer stays. Why after the last check: docs/adr/0002-publish-after-the-last-check.md
 */
async function publishTree(
  context: StoreContext,
  { name: staging, factsPath }: OwnedStaging,
  record: LayerRecord,
): Promise<boolean> {
  const { dataDir } = context;
  const { stateDir, durable, runOperation, checkpoint } = context.options;
  const { key } = record;
  writeLayerRecord(stateDir, record, factsPath);
  checkpoint('record-written');
  try {
    const isOurs = await runOperation('publishLayer', { dataDir, staging, key, durable });
    checkpoint('published');
    return isOurs;
  } catch (error) {
    removeLayerRecord(stateDir, key);
    throw error;
  }
}
