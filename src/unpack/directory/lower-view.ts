import { type BigIntStats, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { type ByteString, toByteString } from '../../bytes/index.ts';
import { lgetxattr, type SystemPath } from '../../platform/index.ts';
import { joinPath, parseEntryPath } from '../tree/index.ts';
import type { LowerNode, LowerView } from '../types.ts';
import { toSystemPath } from './system-path.ts';

const ROOT = '' as ByteString;

/** Paths that are remembered; with more, all are looked up again. */
const MAX_REMEMBERED = 50_000;

/** What one layer has at a path. */
type LayerNode = 'absent' | 'whiteout' | 'directory' | 'symlink' | 'other';

/** A merged directory, by its layers from the top; or the layer that has something else there. */
type Merged =
  | { readonly kind: 'directory'; readonly top: ByteString; readonly layers: Iterable<ByteString> }
  | { readonly kind: 'symlink' | 'other'; readonly layer: ByteString }
  | undefined;

/**
 * The merged tree of published layer directories, topmost first, as overlayfs would show it. Every component is looked
 * at in every layer by itself and nothing is resolved through a link. The layers must not change meanwhile.
 */
export function createLowerView(lowers: readonly string[]): LowerView {
  const layers = lowers.map((path) => toByteString(Buffer.from(path)));
  const remembered = new Map<ByteString, Merged>();
  const linkIndexes = new Map<ByteString, LinkIndex>();
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
      const stat = lstatSync(systemPathOf(found.layer, path), { bigint: true });
      const names = index.get(stat.ino) ?? [path];
      return names.filter((name) => {
        const other = find(name);
        return other !== undefined && other.kind !== 'directory' && other.layer === found.layer;
      });
    },
  };
}

/** Dots would lead out of the layers. */
function clean(path: ByteString): ByteString {
  return parseEntryPath(path).join('/') as ByteString;
}

function within(layer: ByteString, path: ByteString): ByteString {
  return path === '' ? layer : joinPath(layer, path);
}

function systemPathOf(layer: ByteString, path: ByteString): SystemPath {
  return toSystemPath(within(layer, path));
}

/** What a source gives, taken from it once, however many walk along it. */
class SharedList implements Iterable<ByteString> {
  readonly #taken: ByteString[] = [];
  readonly #source: Iterator<ByteString>;

  constructor(source: Iterator<ByteString>) {
    this.#source = source;
  }

  *[Symbol.iterator](): Generator<ByteString> {
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

/** What the topmost layer says that has anything there. */
function merge(layers: Iterable<ByteString>, path: ByteString): Merged {
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

/** Looked for only as far down as somebody asks: of 500 layers the topmost few answer most questions. */
function mergedDirectory(top: ByteString, below: Iterator<ByteString>, path: ByteString): Merged {
  return { kind: 'directory', top, layers: new SharedList(openLayers(top, below, path)) };
}

/** `top` and those below that have a directory there, down to one that closes it. */
function* openLayers(top: ByteString, below: Iterator<ByteString>, path: ByteString): Generator<ByteString> {
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

function look(layer: ByteString, path: ByteString): LayerNode {
  const stat = lstatSync(systemPathOf(layer, path), { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  return isWhiteout(stat) ? 'whiteout' : 'other';
}

function isWhiteout(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

function isOpaque(layer: ByteString, path: ByteString): boolean {
  return lgetxattr(systemPathOf(layer, path), 'trusted.overlay.opaque')?.toString('latin1') === 'y';
}

function describe(merged: Merged, path: ByteString): LowerNode | undefined {
  if (merged === undefined) return undefined;
  if (merged.kind === 'directory') return { type: 'directory', realPath: within(merged.top, path) };
  const at = joinPath(merged.layer, path);
  if (merged.kind === 'other') return { type: 'other', realPath: at };
  const target = toByteString(readlinkSync(toSystemPath(at), { encoding: 'buffer' }));
  return { type: 'symlink', realPath: at, target };
}

/** Paths by inode number, all 64 bits of it, of everything in one layer that has more than one name. */
type LinkIndex = ReadonlyMap<bigint, readonly ByteString[]>;

function indexLinks(layer: ByteString): LinkIndex {
  const index = new Map<bigint, ByteString[]>();
  const pending = ['' as ByteString];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const entry of readdirSync(systemPathOf(layer, at), { encoding: 'buffer', withFileTypes: true })) {
      const path = joinPath(at, toByteString(entry.name));
      if (entry.isDirectory()) pending.push(path);
      else addLink(index, lstatSync(systemPathOf(layer, path), { bigint: true }), path);
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
