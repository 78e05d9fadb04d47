import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { assertNever, SealiftError } from '../errors/index.ts';
import { type LayerKey, layerFormatOf } from '../layer-formats/index.ts';
import { errnoOf, measureFreeInodes, measureSpace, syncfs } from '../platform/index.ts';
import { assertOnlyKnown, assertPrivate, claimDirectory, claimLayout } from './claim-directory.ts';
import { DATA_DIRECTORIES, dataPath } from './layout.ts';
import { BLOCK_BYTES, measureTree } from './measure-tree.ts';
import { storeFailed } from './store-failed.ts';
import type { StoreOperations, Upper } from './types.ts';

/** The names in a backing; mkfs.ext4 creates lost+found. */
const KNOWN: ReadonlySet<string> = new Set([...DATA_DIRECTORIES, 'lost+found']);

/** The store's work on a backing. No other file of this room touches one. */
export const STORE_OPERATIONS: StoreOperations = {
  prepareData: coded('prepareData', ({ dataDir }) => {
    claimDirectory(dataDir);
    assertOnlyKnown(dataDir, (name) => KNOWN.has(name));
    claimLayout(dataDir, DATA_DIRECTORIES);
  }),
  checkReadOnlyData: coded('checkReadOnlyData', ({ dataDir }) => {
    assertPrivate(dataDir);
    assertPrivate(dataPath.area(dataDir, 'layers'));
  }),
  listData: coded('listData', ({ dataDir }) => ({
    layers: readdirSync(dataPath.area(dataDir, 'layers')),
    staging: readdirSync(dataPath.area(dataDir, 'staging')),
    uppers: readdirSync(dataPath.area(dataDir, 'uppers')),
    trash: readdirSync(dataPath.area(dataDir, 'trash')),
  })),
  presentLayers: coded('presentLayers', ({ dataDir, layers }) =>
    layers.filter(({ key, bytes }) => isPresent(dataDir, key, bytes)).map(({ key }) => key),
  ),
  measureStaging: coded('measureStaging', measureStaging),
  makeStaging: coded('makeStaging', ({ dataDir, name }) => {
    const directory = dataPath.staging(dataDir, name);
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }),
  publishLayer: coded('publishLayer', publishLayer),
  makeUpper: coded('makeUpper', ({ dataDir, id }) => makeUpper(dataDir, id)),
  moveToTrash: coded('moveToTrash', ({ dataDir, area, name }) =>
    renameUnlessAbsent(join(dataPath.area(dataDir, area), name), newTrashPath(dataDir)),
  ),
  emptyTrash: coded('emptyTrash', ({ dataDir }) => emptyTrash(dataPath.area(dataDir, 'trash'))),
  measureTrash: coded('measureTrash', ({ dataDir }) => measureEntries(dataPath.area(dataDir, 'trash'))),
  measureSpace: coded('measureSpace', ({ dataDir }) => {
    const freeInodes = measureFreeInodes(dataDir);
    return { ...measureSpace(dataDir), freeInodes, device: statSync(dataDir).dev };
  }),
};

/** Failed system calls throw a `SealiftError` that names the operation and its backing. */
function coded<Request extends { readonly dataDir: string }, Result>(
  kind: keyof StoreOperations,
  operation: (request: Request) => Result,
): (request: Request) => Result {
  return (request) => {
    try {
      return operation(request);
    } catch (error) {
      throw storeFailed(`${kind} in ${request.dataDir}`, error, { fileSystem: 'data', directory: request.dataDir });
    }
  };
}

function isPresent(dataDir: string, key: LayerKey, bytes?: number): boolean {
  const found = lstatSync(dataPath.layer(dataDir, key), { throwIfNoEntry: false });
  if (found === undefined) return false;
  const { fileType } = layerFormatOf(key);
  switch (fileType) {
    case 'file':
      return found.isFile() && (bytes === undefined || found.size === bytes);
    case 'directory':
      return found.isDirectory();
    default:
      return assertNever(fileType, 'file type');
  }
}

function measureStaging({ dataDir, name, key, image }: Parameters<StoreOperations['measureStaging']>[0]): number {
  const path = stagedPath(dataPath.staging(dataDir, name), key);
  if (image === undefined) return measureStagedTree(path);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFile() && found.size === image.bytes) return found.blocks * BLOCK_BYTES;
  throw stagingAltered(path, `a file of ${image.bytes} bytes`, found?.isFile() ? `${found.size} bytes` : 'no file');
}

/** Returns the path of what becomes the layer. */
function stagedPath(staging: string, key: LayerKey): string {
  const { stagedName } = layerFormatOf(key);
  return stagedName === undefined ? staging : join(staging, stagedName);
}

function measureStagedTree(path: string): number {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return measureTree(path);
  throw stagingAltered(path, 'a directory', 'something else');
}

function stagingAltered(path: string, expected: string, actual: string): SealiftError {
  return new SealiftError('STORE_STAGING_ALTERED', `publish layer from ${path}: expected ${expected}, got ${actual}`, {
    context: { path, expected, actual },
  });
}

function publishLayer(request: Parameters<StoreOperations['publishLayer']>[0]): boolean {
  const { dataDir, staging, key, durable } = request;
  const directory = dataPath.staging(dataDir, staging);
  // rename(2) would replace a file or an empty directory.
  if (isPresent(dataDir, key)) return false;
  if (durable) withDirectory(directory, syncfs);
  const from = stagedPath(directory, key);
  try {
    renameSync(from, dataPath.layer(dataDir, key));
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
  // A published file leaves an empty staging directory; if it cannot be removed now, the next start removes it.
  if (from !== directory) tryRemove(directory);
  if (durable) withDirectory(dataPath.area(dataDir, 'layers'), fsyncSync);
  return true;
}

function withDirectory(path: string, use: (fd: number) => void): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function makeUpper(dataDir: string, id: string): Upper {
  const directory = dataPath.upper(dataDir, id);
  const upper = join(directory, 'upper');
  const work = join(directory, 'work');
  for (const path of [directory, upper, work]) mkdirSync(path, { mode: 0o700 });
  return { id, upper, work };
}

function newTrashPath(dataDir: string): string {
  return join(dataPath.area(dataDir, 'trash'), randomBytes(16).toString('hex'));
}

function renameUnlessAbsent(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function emptyTrash(trash: string): { removed: number; failed: number } {
  const names = readdirSync(trash);
  const failed = names.filter((name) => !tryRemove(join(trash, name))).length;
  return { removed: names.length - failed, failed };
}

function measureEntries(directory: string): number {
  return readdirSync(directory).reduce((total, name) => total + measureTree(join(directory, name)), 0);
}

/** Returns false when the path cannot be removed now: another process may be removing it, or the disk may fail. */
function tryRemove(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined)
      throw storeFailed(`remove ${path}`, error, { fileSystem: 'data', directory: dirname(path) });
    return false;
  }
}
