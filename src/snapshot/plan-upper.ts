import type { ByteString } from '../bytes/index.ts';
import type { PlanMemory } from '../limits/index.ts';
import type { ImpliedDirectory } from '../unpack/index.ts';
import { type LayerNodes, LayerStack, PathsToFind, type ShownNode } from './layer-stack.ts';
import { childPath, ROOT } from './path.ts';
import type { UpperDirectory } from './types.ts';

/** One layer of the stack. */
export interface StackedLayer extends LayerNodes {
  /** Reads the directories that the layer made without an entry for them; called twice, so that no list is kept. */
  implied(): readonly ImpliedDirectory[];
}

/** The directories to make in a fresh upper. Their paths are not kept: together they may be far longer than the facts. */
export interface UpperPlan {
  /** Calls `visit` with the root, and with each directory after its parent. */
  each(visit: (directory: UpperDirectory) => void): void;
}

/**
 * Finds the directories to make in a fresh upper, so that a directory which the topmost layer has only as the parent of
 * something keeps the attributes of the topmost layer that has an entry for it (`/tmp` its 1777). Layers come bottom to
 * top. The root is always among them, because an overlay shows the upper's own root.
 */
export function planUpper(layers: readonly StackedLayer[], memory: PlanMemory): UpperPlan {
  const paths = new PathsToFind(memory);
  for (const layer of layers) for (const { path } of layer.implied()) paths.add(path);
  const stack = new LayerStack(paths);
  for (const layer of layers) {
    const implied = new Map<ByteString, ImpliedDirectory>();
    for (const directory of layer.implied()) implied.set(directory.path, directory);
    stack.add(layer, (path) => implied.get(path));
  }
  keepBorrowed(stack.root);
  return { each: (visit) => visitDirectories(stack.root, ROOT, visit) };
}

/**
 * Removes everything below `shown` but the directories that show with the attributes of another layer than their owner,
 * and the directories on the way to them. Returns true if there are any.
 */
function keepBorrowed({ children }: ShownNode): boolean {
  for (const [name, node] of children ?? []) {
    if (node.kind === 'directory') {
      const isBorrowed = node.owner !== undefined && node.owner !== node.layer;
      if (keepBorrowed(node) || isBorrowed) continue;
    }
    children?.delete(name);
  }
  return children !== undefined && children.size > 0;
}

function visitDirectories(shown: ShownNode, path: ByteString, visit: (directory: UpperDirectory) => void): void {
  visit({ path, source: shown.owner });
  for (const [name, node] of shown.children ?? []) visitDirectories(node, childPath(path, name), visit);
}
