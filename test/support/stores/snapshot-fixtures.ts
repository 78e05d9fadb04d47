import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { type PathFactsFile, saveFacts } from '../../../src/layer-facts/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { RequestsOf, Run } from '../../../src/operations/index.ts';
import type { Operation } from '../../../src/operations/types.ts';
import {
  createLayerMounts,
  createSnapshotOperations,
  type LayerMounts,
  type SnapshotOperations,
} from '../../../src/snapshot/index.ts';
import type { LayerMountPorts } from '../../../src/snapshot/layer-mounts.ts';
import type { SnapshotLayer } from '../../../src/snapshot/types.ts';
import type { Store } from '../../../src/store/index.ts';
import { createDirectoryWriter, type LayerFacts, readTar } from '../../../src/unpack/index.ts';
import { type TarMember, tar } from '../builders/tar-builder.ts';
import { runInline } from './run-inline.ts';
import { keyOfName, realClock } from './store-fixtures.ts';

export type SnapshotOperation = Operation<RequestsOf<SnapshotOperations>>;

/** Runs every operation at once in this thread; `before` sees it first, and may refuse it. */
export function inlineSnapshotRunner(before?: (operation: SnapshotOperation) => void): Run<SnapshotOperations> {
  return runInline<SnapshotOperations>(createSnapshotOperations(), before);
}

/** Unpacks members into a new layer directory, in the form that overlayfs reads. */
export function makeLayer(directory: string, members: readonly TarMember[]): SnapshotLayer {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const writer = createDirectoryWriter({
    root: directory,
    form: 'overlay',
    privileged: true,
    limits: DEFAULT_LIMITS,
  });
  const reader = readTar(DEFAULT_LIMITS, writer);
  try {
    reader.write(tar(members));
    reader.end();
    return {
      path: directory,
      record: { key: keyOfName('directory', basename(directory)) },
      paths: factsFile(`${directory}.facts`, writer.facts()),
    };
  } finally {
    writer.close();
  }
}

/** Keeps the path facts of a layer in a file, as the worker that applies it does. */
export function factsFile(path: string, facts: LayerFacts): PathFactsFile | undefined {
  rmSync(path, { force: true });
  const { paths } = saveFacts(path, facts, DEFAULT_LIMITS);
  return paths && { path, ...paths };
}

/** Makes the same layer as an EROFS image with Debian's mkfs.erofs. */
export function makeImageLayer(directory: string, members: readonly TarMember[]): SnapshotLayer {
  const { record, paths } = makeLayer(directory, members);
  const path = `${directory}.erofs`;
  execFileSync('mkfs.erofs', ['-x1', '--quiet', path, directory]);
  rmSync(directory, { recursive: true });
  return { path, record: { ...record, key: keyOfName('erofs', basename(directory)) }, paths };
}

/** Composes layer mounts as the program does, all in this thread. */
export function testLayerMounts(
  store: Store,
  runOperation: Run<SnapshotOperations>,
  change: Partial<LayerMountPorts> = {},
): LayerMounts {
  const { layerMountsDir: mountsDir, tryMountLock: tryLock } = store;
  return createLayerMounts({
    runOperation,
    store,
    mountsDir,
    tryLock,
    clock: realClock,
    lockTimeoutMs: 300_000,
    verity: 'unused',
    ...change,
  });
}
