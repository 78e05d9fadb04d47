import type { ByteString } from '../../bytes/index.ts';
import type { ImpliedDirectory } from '../types.ts';
import { joinPath } from './entry-path.ts';
import { isDirectory, type LayerTree, type TreeDirectory } from './layer-tree.ts';
import type { NodeMaker } from './node-maker.ts';
import { hidesChild } from './resolve-directory.ts';
import type { TrieNode } from './trie.ts';

interface FinishOptions {
  readonly tree: LayerTree;
  readonly nodes: Pick<NodeMaker, 'makeWhiteout' | 'finishDirectory'>;
}

interface Unfinished extends TreeDirectory {
  /** True when the layer hides what lower layers have at this directory's path. */
  readonly hidden: boolean;
}

/**
 * Makes the last pass, deepest directories first: writes whiteouts and opaque marks as overlayfs reads them
 * (https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories), then each directory's own
 * attributes. Earlier, a setgid bit or a default ACL would pass on to what is made inside, and a time would not last.
 * Returns the directories that no entry names.
 */
export function finishOverlay(tree: LayerTree, nodes: FinishOptions['nodes']): ImpliedDirectory[] {
  const { root } = tree;
  const path = '' as ByteString;
  const implied: ImpliedDirectory[] = root.attributes === undefined ? [{ path, cut: false }] : [];
  finishDirectory({ node: root, path, hidden: false }, { tree, nodes }, implied);
  return implied;
}

function finishDirectory(at: Unfinished, options: FinishOptions, implied: ImpliedDirectory[]): void {
  const { node, path, hidden } = at;
  for (const name of node.whiteouts ?? []) closeAgainstBelow(node.children.get(name));
  for (const [name, child] of node.children) {
    if (!isDirectory(child)) continue;
    const below = { node: child, path: joinPath(path, name), hidden: hidesChild(at, name) };
    if (child.attributes === undefined) implied.push({ path: below.path, cut: below.hidden });
    if (child.assumed && (child.attributes !== undefined || below.hidden)) options.tree.recordTraversed(below.path);
    finishDirectory(below, options, implied);
    if (isSuperfluous(below)) {
      implied.pop();
      options.tree.remove(at, name);
    }
  }
  if (!hidden && !node.opaque) writeWhiteouts(at, options.nodes);
  options.nodes.finishDirectory(at);
}

/** A node of the same layer wins over its whiteout, but such a directory must not merge with the layers below. */
function closeAgainstBelow(child: TrieNode | undefined): void {
  if (isDirectory(child)) child.opaque = true;
}

/** True for a directory that only marks created: no entry names it, it is empty, and the layers below are hidden. */
function isSuperfluous({ node, hidden }: Unfinished): boolean {
  return hidden && node.attributes === undefined && node.children.size === 0;
}

function writeWhiteouts(directory: TreeDirectory, nodes: FinishOptions['nodes']): void {
  const { whiteouts, children } = directory.node;
  for (const name of whiteouts ?? []) if (!children.has(name)) nodes.makeWhiteout(directory, name);
}
