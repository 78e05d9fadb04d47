import { type BigIntStats, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { type ByteString, toByteString } from '../../bytes/index.ts';
import type { PlanSteps } from '../../limits/index.ts';
import { lgetxattr, type SystemPath, withReachablePath } from '../../platform/index.ts';
import { joinPath, parseEntryPath } from '../tree/index.ts';
import type { LowerNode, LowerView } from '../types.ts';
import { toSystemPath } from './system-path.ts';

const ROOT = '' as ByteString;

const LISTED = { encoding: 'buffer', withFileTypes: true } as const;
/** NAME_MAX of every file system that layers lie on. */
const MAX_NAME_BYTES = 255;

/** The number of look-ups that are cached; beyond it the cache is emptied. */
const MAX_REMEMBERED = 50_000;

/** The kind of node that one layer has at a path. */
type NodeKind = 'absent' | 'whiteout' | 'directory' | 'symlink' | 'other';

interface LowerLayer {
  readonly directory: ByteString;
  /** Counts the names that are looked at. */
  readonly steps: PlanSteps;
}

/** A merged directory with its layers from the top, or the layer that has another node at the path. */
type Merged =
  | { readonly kind: 'directory'; readonly top: LowerLayer; readonly layers: Iterable<LowerLayer> }
  | { readonly kind: 'symlink' | 'other'; readonly layer: LowerLayer }
  | undefined;

/**
 * Creates a view of published layer directories, given topmost first, merged as overlayfs would show them. Every
 * component is looked up in every layer separately and no symlink is followed. The layers must not change meanwhile.
 * Each name that is looked at in a layer is a step, so looking up throws `LAYER_LIMIT_EXCEEDED` when they are too many.
 */
export function createLowerView(lowers: readonly string[], steps: PlanSteps): LowerView {
  const layers = lowers.map((path) => ({ directory: toByteString(Buffer.from(path)), steps }));
  const remembered = new Map<ByteString, Merged>();
  const linkIndexes = new Map<LowerLayer, LinkIndex>();
  const [topmost, ...others] = layers;
  const root = topmost === undefined ? undefined : mergedDirectory(topmost, others.values(), ROOT);

  const find = (path: ByteString): Merged => {
    if (path === ROOT) return root;
    if (remembered.has(path)) return remembered.get(path);
    const parent = find(path.slice(0, Math.max(0, path.lastIndexOf('/'))) as ByteString);
    const merged = parent?.kind === 'directory' ? merge(parent.layers, path) : undefined;
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
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
      const stat = reach(found.layer, path, (at) => lstatSync(at, { bigint: true }));
      const names = index.get(stat.ino) ?? [path];
      return names.filter((name) => {
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
  const pending = ['' as ByteString];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const entry of reach(layer, at, (directory) => readdirSync(directory, LISTED))) {
      layer.steps.take();
      const path = joinPath(at, toByteString(entry.name));
      if (entry.isDirectory()) pending.push(path);
      else
        addLink(
          index,
          reach(layer, path, (leaf) => lstatSync(leaf, { bigint: true })),
          path,
        );
    }
  }
  return index;
}

function addLink(index: Map<bigint, ByteString[]>, stat: BigIntStats, path: ByteString): void {
  if (stat.nlink < 2n) return;
  const names = index.get(stat.ino);
  if (names === undefined) index.set(stat.ino, [path]);
  else names.push(path);
}
