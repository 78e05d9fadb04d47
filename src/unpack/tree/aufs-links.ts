import type { ByteString } from '../../bytes/index.ts';
import { joinPath, parseEntryPath } from './entry-path.ts';
import { type FoundLeaf, isDirectory, type LayerTree, type TreeDirectory, type TreeName } from './layer-tree.ts';

/** The directory in which aufs keeps files with several names; layers made with it have hard links into it. */
const LINK_DIRECTORY = '.wh..wh.plnk' as ByteString;

/** True for the parent of a file in aufs's directory of links. */
export function isLinkDirectory(components: readonly ByteString[]): boolean {
  return components.length === 1 && components[0] === LINK_DIRECTORY;
}

/**
 * Files of aufs's directory of links, kept until the layer ends so that hard links to them can be made, as in
 * containerd. They are outside of the tree: no path of an entry leads to them.
 */
export class AufsLinks {
  readonly #tree: LayerTree;
  #directory: TreeDirectory | undefined;

  constructor(tree: LayerTree) {
    this.#tree = tree;
  }

  /** Returns where to make a file; an earlier one of that name is removed. */
  open(name: ByteString): TreeName {
    this.#directory ??= this.#tree.makeDetached(LINK_DIRECTORY);
    const parent = this.#directory;
    this.#tree.remove(parent, name);
    return { parent, name };
  }

  /** Returns the file that a hard link names, if it is one of these. */
  find(unsafeLinkname: ByteString): FoundLeaf | undefined {
    if (this.#directory === undefined) return undefined;
    const components = parseEntryPath(unsafeLinkname);
    const name = components.pop();
    if (name === undefined || !isLinkDirectory(components)) return undefined;
    const node = this.#directory.node.children.get(name);
    return node === undefined || isDirectory(node) ? undefined : { path: joinPath(LINK_DIRECTORY, name), node };
  }

  /** Removes all of them; links that were made to them stay. */
  clear(): void {
    if (this.#directory !== undefined) this.#tree.removeDetached(this.#directory);
    this.#directory = undefined;
  }
}
