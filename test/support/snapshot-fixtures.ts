import { mkdirSync } from 'node:fs';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import {
  performSnapshotOperation,
  type RunSnapshotOperation,
  type SnapshotLayer,
  type SnapshotOperation,
} from '../../src/snapshot/index.ts';
import { createDirectoryWriter, createLowerView, readTar } from '../../src/unpack/index.ts';
import { type TarMember, tar } from './tar-builder.ts';

/** Has every operation done at once in this thread; `before` sees it first, and may refuse it. */
export function inlineSnapshotRunner(
  before: (operation: SnapshotOperation) => void = () => undefined,
): RunSnapshotOperation {
  return async (kind, request) => {
    // Cloned as a message to a worker would be. The kind ties the result to the request, which TypeScript cannot see.
    const operation = structuredClone({ kind, request }) as SnapshotOperation;
    before(operation);
    return structuredClone(performSnapshotOperation(operation, createLowerView)) as never;
  };
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
    return { path: directory, record: { key: directory.slice(directory.lastIndexOf('/') + 1), facts: writer.facts() } };
  } finally {
    writer.close();
  }
}
