import type { ByteString } from '../bytes/index.ts';
import type { ImpliedDirectory } from '../unpack/index.ts';
import { type LayerNodes, LayerStack, PathsToFind, type ShownNode } from './layer-stack.ts';
import { childPath, ROOT } from './path.ts';
import type { UpperDirectory } from './types.ts';

/** One layer of the stack. */
export interface StackedLayer extends LayerNodes {
  /** Reads the directories that the layer made without an entry for them; called twice, so that no list is kept. */
  implied(): readonly ImpliedDirectory[];
}

/**
 * Lists the directories to make in a fresh upper, so that a directory which the topmost layer has only as the parent of
 * something keeps the attributes of the topmost layer that has an entry for it (`/tmp` its 1777). Layers come bottom to
 * top. The root is always first, because an overlay shows the upper's own root.
 */
export function planUpper(layers: readonly StackedLayer[]): readonly UpperDirectory[] {
  const paths = new PathsToFind();
  for (const layer of layers) for (const { path } of layer.implied()) paths.add(path);
  const stack = new LayerStack(paths);
  for (const layer of layers) {
    const implied = new Map(layer.implied().map((directory) => [directory.path, directory]));
    stack.add(layer, (path) => implied.get(path));
  }
  const planned: UpperDirectory[] = [{ path: ROOT, source: stack.root.owner }];
  listBorrowed(stack.root, ROOT, planned);
  return planned.sort((left, right) => (left.path < right.path ? -1 : 1));
}

/**
 * Adds the directories below `path` that show with the attributes of another layer than their owner, and the directories
 * on the way to them. Returns true if there are any.
 */
function listBorrowed({ children }: ShownNode, path: ByteString, planned: UpperDirectory[]): boolean {
  let hasAny = false;
  for (const [name, node] of children ?? []) {
    if (node.kind !== 'directory') continue;
    const at = childPath(path, name);
    const isBorrowed = node.owner !== undefined && node.owner !== node.layer;
    const leadsToAny = listBorrowed(node, at, planned);
    if (!isBorrowed && !leadsToAny) continue;
    planned.push({ path: at, source: node.owner });
    hasAny = true;
  }
  return hasAny;
}
