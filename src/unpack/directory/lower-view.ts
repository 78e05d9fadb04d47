import { type BigIntStats, type Dirent, lstatSync, opendirSync, readlinkSync, type Stats } from 'node:fs';
import { type ByteString, toByteString } from '../../bytes/index.ts';
import type { PlanMemory, PlanSteps } from '../../limits/index.ts';
import { lgetxattr, type SystemPath, withReachablePath } from '../../platform/index.ts';
import { joinPath, parseEntryPath } from '../tree/index.ts';
import type { LowerNode, LowerView } from '../types.ts';
import { toSystemPath } from './system-path.ts';

const ROOT = '' as ByteString;

const LISTED = { encoding: 'latin1', bufferSize: 1024 } as const;
/** NAME_MAX of every file system that layers lie on. */
const MAX_NAME_BYTES = 255;

/** The memory of look-ups that are cached, about; beyond it the cache is emptied. */
const MAX_REMEMBERED_BYTES = 32 * 1024 * 1024;
/** What a cached look-up, a name of a file with several names, and a directory yet to list take besides their paths. */
const REMEMBERED_BYTES = 500;
const LINK_BYTES = 200;
const PENDING_BYTES = 100;

/** The kind of node that one layer has at a path. */
type NodeKind = 'absent' | 'whiteout' | 'directory' | 'symlink' | 'other';

interface LowerLayer {
  readonly directory: ByteString;
  /** Counts the names that are looked at. */
  readonly steps: PlanSteps;
  /** Counts what is kept of the names of files with several names. */
  readonly memory: PlanMemory;
}

/** A merged directory with its layers from the top, or the layer that has another node at the path. */
type Merged =
  | { readonly kind: 'directory'; readonly top: LowerLayer; readonly layers: Iterable<LowerLayer> }
  | { readonly kind: 'symlink' | 'other'; readonly layer: LowerLayer }
  | undefined;

/**
 * Creates a view of published layer directories, given topmost first, merged as overlayfs would show them. Every
 * component is looked up in every layer separately and no symlink is followed. The layers must not change meanwhile.
 * Each name that is looked at in a layer is a step, and what is kept of hard links takes memory. Both methods throw
 * `LAYER_LIMIT_EXCEEDED` when that is too much.
 */
export function createLowerView(lowers: readonly string[], steps: PlanSteps, memory: PlanMemory): LowerView {
  const layers = lowers.map((path) => ({ directory: toByteString(Buffer.from(path)), steps, memory }));
  const remembered = new Map<ByteString, Merged>();
  let rememberedBytes = 0;
  const linkIndexes = new Map<LowerLayer, LinkIndex>();
  const [topmost, ...others] = layers;
  const root = topmost === undefined ? undefined : mergedDirectory(topmost, others.values(), ROOT);

  const find = (path: ByteString): Merged => {
    if (path === ROOT) return root;
    if (remembered.has(path)) return remembered.get(path);
    const parent = find(path.slice(0, Math.max(0, path.lastIndexOf('/'))) as ByteString);
    const merged = parent?.kind === 'directory' ? merge(parent.layers, path) : undefined;
    rememberedBytes += path.length + REMEMBERED_BYTES;
    if (rememberedBytes > MAX_REMEMBERED_BYTES) {
      remembered.clear();
      rememberedBytes = 0;
    }
    remembered.set(path, merged);
    return merged;
  };

  return {
    lookup: (path) => describe(find(clean(path)), path),
    linksOf: (path) => {
      const found = find(clean(path));
      if (found === undefined || found.kind === 'directory') return [];
      const index = linkIndexes.get(found.layer) ?? indexLinks(found.layer);
      linkIndexes.set(found.layer, index);
      const stat = statLeaf(found.layer, path);
      const names = index.get(stat.ino) ?? [path];
      // Listings come in any order.
      return names.toSorted().filter((name) => {
        const other = find(name);
        return other !== undefined && other.kind !== 'directory' && other.layer === found.layer;
      });
    },
  };
}

/** Resolves dots lexically, because they would lead out of the layers. */
function clean(path: ByteString): ByteString {
  return parseEntryPath(path).join('/') as ByteString;
}

function within({ directory }: LowerLayer, path: ByteString): ByteString {
  return path === '' ? directory : joinPath(directory, path);
}

function reach<Result>(layer: LowerLayer, path: ByteString, use: (at: SystemPath) => Result): Result {
  return withReachablePath(toSystemPath(within(layer, path)), use);
}

/** A list that reads each item of its source once, however many iterators walk it. */
class SharedList implements Iterable<LowerLayer> {
  readonly #taken: LowerLayer[] = [];
  readonly #source: Iterator<LowerLayer>;

  constructor(source: Iterator<LowerLayer>) {
    this.#source = source;
  }

  *[Symbol.iterator](): Generator<LowerLayer> {
    for (let position = 0; ; position += 1) {
      if (position === this.#taken.length) {
        const next = this.#source.next();
        if (next.done === true) return;
        this.#taken.push(next.value);
      }
      const item = this.#taken[position];
      if (item !== undefined) yield item;
    }
  }
}

/** Returns the node of the topmost layer that has anything at the path. */
function merge(layers: Iterable<LowerLayer>, path: ByteString): Merged {
  const below = layers[Symbol.iterator]();
  for (let next = below.next(); next.done !== true; next = below.next()) {
    const layer = next.value;
    const node = look(layer, path);
    if (node === 'absent') continue;
    if (node === 'whiteout') return undefined;
    return node === 'directory' ? mergedDirectory(layer, below, path) : { kind: node, layer };
  }
  return undefined;
}

/** Reads layers only as far down as a caller asks: the topmost few of 500 layers answer most look-ups. */
function mergedDirectory(top: LowerLayer, below: Iterator<LowerLayer>, path: ByteString): Merged {
  return { kind: 'directory', top, layers: new SharedList(openLayers(top, below, path)) };
}

/** Yields `top` and the layers below that have a directory at the path, down to an opaque one. */
function* openLayers(top: LowerLayer, below: Iterator<LowerLayer>, path: ByteString): Generator<LowerLayer> {
  yield top;
  if (isOpaque(top, path)) return;
  for (let next = below.next(); next.done !== true; next = below.next()) {
    const layer = next.value;
    const node = path === ROOT ? 'directory' : look(layer, path);
    if (node === 'absent') continue;
    if (node !== 'directory') return;
    yield layer;
    if (isOpaque(layer, path)) return;
  }
}

function look(layer: LowerLayer, path: ByteString): NodeKind {
  // No node has a name that is too long for one, which a link can ask for.
  if (path.length - path.lastIndexOf('/') - 1 > MAX_NAME_BYTES) return 'absent';
  layer.steps.take();
  const stat = reach(layer, path, (at) => lstatSync(at, { throwIfNoEntry: false }));
  if (stat === undefined) return 'absent';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  return isWhiteout(stat) ? 'whiteout' : 'other';
}

function isWhiteout(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

function isOpaque(layer: LowerLayer, path: ByteString): boolean {
  const value = reach(layer, path, (at) => lgetxattr(at, 'trusted.overlay.opaque'));
  return value?.toString('latin1') === 'y';
}

function describe(merged: Merged, path: ByteString): LowerNode | undefined {
  if (merged === undefined) return undefined;
  if (merged.kind === 'directory') return { type: 'directory', realPath: within(merged.top, path) };
  const at = within(merged.layer, path);
  if (merged.kind === 'other') return { type: 'other', realPath: at };
  const target = withReachablePath(toSystemPath(at), (link) => readlinkSync(link, { encoding: 'buffer' }));
  return { type: 'symlink', realPath: at, target: toByteString(target) };
}

/** The paths of every file in one layer that has more than one name, by 64-bit inode number. */
type LinkIndex = ReadonlyMap<bigint, readonly ByteString[]>;

function indexLinks(layer: LowerLayer): LinkIndex {
  const index = new Map<bigint, ByteString[]>();
  const pending = [ROOT];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    layer.memory.take(-heldFor(at));
    for (const entry of list(layer, at)) {
      layer.steps.take();
      const path = joinPath(at, entry.name as ByteString);
      if (entry.isDirectory()) {
        layer.memory.take(heldFor(path));
        pending.push(path);
      } else if (addLink(index, path, statLeaf(layer, path))) layer.memory.take(path.length + LINK_BYTES);
    }
  }
  return index;
}

/** Returns the bytes that a directory takes while it is to be listed. The root, which is always one, takes none. */
function heldFor(path: ByteString): number {
  return path === ROOT ? 0 : path.length + PENDING_BYTES;
}

/** Reads a directory piece by piece: it may have millions of entries. Names in Latin-1 are byte strings. */
function* list(layer: LowerLayer, at: ByteString): Generator<Dirent> {
  const listing = reach(layer, at, (directory) => opendirSync(directory, LISTED));
  try {
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) yield entry;
  } finally {
    listing.closeSync();
  }
}

function statLeaf(layer: LowerLayer, path: ByteString): BigIntStats {
  return reach(layer, path, (leaf) => lstatSync(leaf, { bigint: true }));
}

/** Returns false for a file with one name, which is not kept. */
function addLink(index: Map<bigint, ByteString[]>, path: ByteString, stat: BigIntStats): boolean {
  if (stat.nlink < 2n) return false;
  const names = index.get(stat.ino);
  if (names === undefined) index.set(stat.ino, [path]);
  else names.push(path);
  return true;
}
