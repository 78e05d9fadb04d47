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
  const stacks = new Map<ByteString, Stack>();
  const stackAt = (path: ByteString) => findStack(path, layers, implied, stacks);
  const plan = (path: ByteString): UpperDirectory => ({ path, source: stackAt(path).owner });

  const planned = new Map<ByteString, UpperDirectory>([[ROOT, plan(ROOT)]]);
  for (const path of new Set(layers.flatMap((layer) => layer.implied.map((directory) => directory.path)))) {
    const { merged, owner } = stackAt(path);
    if (merged[0] === undefined || owner === undefined || owner === merged[0]) continue;
    for (let at = path; !planned.has(at); at = parentPath(at)) planned.set(at, plan(at));
  }
  return [...planned.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** What shows at a path. */
interface Stack {
  /** Layers whose directories overlayfs merges there, topmost first; empty when no directory shows. */
  readonly merged: readonly number[];
  /** The topmost layer that has an entry for the directory. */
  readonly owner: number | undefined;
}

function findStack(
  path: ByteString,
  layers: readonly PlannedLayer[],
  implied: readonly ReadonlyMap<ByteString, ImpliedDirectory>[],
  stacks: Map<ByteString, Stack>,
): Stack {
  const known = stacks.get(path);
  if (known !== undefined) return known;
  const above =
    path === ROOT ? [...layers.keys()].reverse() : findStack(parentPath(path), layers, implied, stacks).merged;
  const stack = stackOf(above, (index) => {
    return { node: layers[index]?.lookup(path) ?? 'absent', implied: implied[index]?.get(path) };
  });
  stacks.set(path, stack);
  return stack;
}

type Look = (index: number) => { readonly node: LayerNode; readonly implied: ImpliedDirectory | undefined };

/** An opaque mark hides what is in the directory below, but not that directory's own attributes. */
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
