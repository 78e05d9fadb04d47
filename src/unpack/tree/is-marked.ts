import { isDirectory, type TreeDirectory } from './layer-tree.ts';
import type { TrieNode } from './trie.ts';

/** True if whiteouts would show in a directory, or if it exists only because of marks. */
export function isMarked({ node }: TreeDirectory): boolean {
  if (node.opaque) return isBare(node);
  return [...(node.whiteouts ?? [])].some((name) => {
    const child = node.children.get(name);
    return child === undefined || isBare(child);
  });
}

/** True for a directory that only marks created. */
function isBare(node: TrieNode): boolean {
  if (!isDirectory(node) || node.attributes !== undefined) return false;
  for (const child of node.children.values()) if (!isBare(child)) return false;
  return true;
}
