import type { ByteString } from '../bytes/index.ts';
import type { ImpliedDirectory } from '../unpack/index.ts';
import { parentPath, ROOT } from './path.ts';
import type { LayerNode, UpperDirectory } from './types.ts';

/** One layer of the stack: the directories it made without having entries for them, and what it has at a path. */
export interface PlannedLayer {
  readonly implied: readonly ImpliedDirectory[];
  lookup(path: ByteString): LayerNode;
}

/**
 * Lists the directories to make in a fresh upper, so that a directory which the topmost layer holds only as somebody's
 * parent keeps the attributes of the topmost layer that has an entry for it (`/tmp` its 1777). Layers come bottom to
 * top. The root is always first: it is the upper's own root that shows there.
 */
export function planUpper(layers: readonly PlannedLayer[]): readonly UpperDirectory[] {
  const implied = layers.map((layer) => new Map(layer.implied.map((directory) => [directory.path, directory])));
  const stacks = new Map<ByteString, readonly number[]>([[ROOT, rootStack(layers)]]);
  const isImplied = (index: number, path: ByteString) => implied[index]?.has(path) === true;
  const stackAt = (path: ByteString) => mergedStack(path, layers, implied, stacks);
  const ownerOf = (path: ByteString) => stackAt(path).find((index) => !isImplied(index, path));

  const planned = new Map<ByteString, UpperDirectory>([[ROOT, { path: ROOT, source: ownerOf(ROOT) }]]);
  for (const path of new Set(layers.flatMap((layer) => layer.implied.map((directory) => directory.path)))) {
    const [top] = stackAt(path);
    if (top === undefined || !isImplied(top, path) || ownerOf(path) === undefined) continue;
    for (let at = path; !planned.has(at); at = parentPath(at)) planned.set(at, { path: at, source: ownerOf(at) });
  }
  return [...planned.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** Every layer has a root; one that is opaque hides all below it. */
function rootStack(layers: readonly PlannedLayer[]): number[] {
  const topmostOpaque = layers.findLastIndex((layer) => layer.lookup(ROOT) === 'opaque-directory');
  const bottom = Math.max(topmostOpaque, 0);
  return layers
    .map((_, index) => index)
    .slice(bottom)
    .reverse();
}

/** Layers whose directories overlayfs merges at `path`, topmost first; empty when no directory shows there. */
function mergedStack(
  path: ByteString,
  layers: readonly PlannedLayer[],
  implied: readonly ReadonlyMap<ByteString, ImpliedDirectory>[],
  stacks: Map<ByteString, readonly number[]>,
): readonly number[] {
  const unknown: ByteString[] = [];
  for (let at = path; !stacks.has(at); at = parentPath(at)) unknown.push(at);
  for (const at of unknown.reverse()) {
    const merged: number[] = [];
    for (const index of stacks.get(parentPath(at)) ?? []) {
      const node = layers[index]?.lookup(at) ?? 'absent';
      if (node === 'absent') continue;
      if (node === 'whiteout' || node === 'other') break;
      merged.push(index);
      if (node === 'opaque-directory' || implied[index]?.get(at)?.cut) break;
    }
    stacks.set(at, merged);
  }
  return stacks.get(path) ?? [];
}
