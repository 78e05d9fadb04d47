import type { ByteString } from '../bytes/index.ts';
import type { ImpliedDirectory } from '../unpack/index.ts';
import { parentPath, ROOT } from './path.ts';
import type { LayerNodeKind, UpperDirectory } from './types.ts';

/** One layer of the stack: the directories that it made without an entry for them, and what it has at a path. */
export interface StackedLayer {
  readonly implied: readonly ImpliedDirectory[];
  lookup(path: ByteString): LayerNodeKind;
}

/**
 * Lists the directories to make in a fresh upper, so that a directory which the topmost layer has only as the parent of
 * something keeps the attributes of the topmost layer that has an entry for it (`/tmp` its 1777). Layers come bottom to
 * top. The root is always first, because an overlay shows the upper's own root.
 */
export function planUpper(layers: readonly StackedLayer[]): readonly UpperDirectory[] {
  const implied = layers.map((layer) => new Map(layer.implied.map((directory) => [directory.path, directory])));
  const search = { layers, implied, stacks: new Map<ByteString, Stack>() };
  const stackAt = (path: ByteString) => findStack(path, search);
  const plan = (path: ByteString): UpperDirectory => ({ path, source: stackAt(path).owner });

  const planned = new Map<ByteString, UpperDirectory>([[ROOT, plan(ROOT)]]);
  for (const path of new Set(layers.flatMap((layer) => layer.implied.map((directory) => directory.path)))) {
    const { merged, owner } = stackAt(path);
    if (merged[0] === undefined || owner === undefined || owner === merged[0]) continue;
    for (let at = path; !planned.has(at); at = parentPath(at)) planned.set(at, plan(at));
  }
  return [...planned.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** The layers that show at a path. */
interface Stack {
  /** Indexes of the layers whose directories overlayfs merges there, topmost first; empty when no directory shows. */
  readonly merged: readonly number[];
  /** The topmost layer that has an entry for the directory. */
  readonly owner: number | undefined;
}

interface StackSearch {
  readonly layers: readonly StackedLayer[];
  readonly implied: readonly ReadonlyMap<ByteString, ImpliedDirectory>[];
  /** The stacks that were found before, by path. */
  readonly stacks: Map<ByteString, Stack>;
}

function findStack(path: ByteString, search: StackSearch): Stack {
  const { layers, implied, stacks } = search;
  const known = stacks.get(path);
  if (known !== undefined) return known;
  const above = path === ROOT ? [...layers.keys()].reverse() : findStack(parentPath(path), search).merged;
  const stack = stackOf(above, (index) => {
    return { node: layers[index]?.lookup(path) ?? 'absent', implied: implied[index]?.get(path) };
  });
  stacks.set(path, stack);
  return stack;
}

type Look = (index: number) => { readonly node: LayerNodeKind; readonly implied: ImpliedDirectory | undefined };

/** An opaque mark hides the contents of the directory below, but not that directory's own attributes. */
function stackOf(above: readonly number[], look: Look): Stack {
  const merged: number[] = [];
  let owner: number | undefined;
  let isClosed = false;
  for (const index of above) {
    if (isClosed && owner !== undefined) break;
    const { node, implied } = look(index);
    if (node === 'absent') continue;
    if (node === 'whiteout' || node === 'other') break;
    if (!isClosed) merged.push(index);
    if (implied === undefined) owner ??= index;
    else if (implied.cut) break;
    isClosed ||= node === 'opaque-directory';
  }
  return { merged, owner };
}
