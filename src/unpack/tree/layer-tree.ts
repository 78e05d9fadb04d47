import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import type { Limits } from '../../limits/index.ts';
import type { LowerView } from '../types.ts';
import { assertPathFits } from './assert-fits.ts';
import { joinPath, splitComponents } from './entry-path.ts';
import { hidesChild, resolveDirectory, type Step } from './resolve-directory.ts';
import { type Attributes, createDirectoryNode, type DirectoryNode, type TrieNode } from './trie.ts';
import { isIgnoredDirectory } from './whiteout-name.ts';

/** A directory of the tree with its path from the root, which is empty for the root itself. */
export interface TreeDirectory {
  readonly node: DirectoryNode;
  readonly path: ByteString;
}

/** A name in a directory of the tree. */
export interface TreeName {
  readonly parent: TreeDirectory;
  readonly name: ByteString;
}

/** A node other than a directory, with its path. */
export interface FoundLeaf {
  readonly path: ByteString;
  readonly node: Exclude<TrieNode, { kind: 'directory' }>;
}

/** A directory to finish: `all` of its attributes, or only its `times` because something in it changed. */
export interface Change extends TreeDirectory {
  readonly scope: 'all' | 'times';
}

/** The limits on the time and memory that a tree takes. */
export type TreeLimits = Pick<Limits, 'maxEntries' | 'maxPathDepth' | 'maxTreeBytes' | 'maxRecordBytes'>;

/** Keeps the names of a tree outside of the tree itself, e.g. on a disk. Paths are those of the tree. */
export interface NameStore {
  makeDirectory(path: ByteString): void;
  /** Removes an empty directory. */
  removeDirectory(path: ByteString): void;
  removeLeaf(path: ByteString): void;
  /** Gives the node at `from` a second name; a symlink at `from` is not followed. */
  link(from: ByteString, to: ByteString): void;
}

interface TreeOptions {
  /** `overlay`: one layer, which may be applied without those below. `merged`: the tree has all layers below. */
  readonly form: 'overlay' | 'merged';
  readonly names: NameStore;
  readonly lower?: LowerView | undefined;
  readonly limits: TreeLimits;
}

/**
 * The tree of everything that was made in the layer's target, together with the names in that target. Both change only
 * here. Since every component of a path is a directory that this tree made, and no other program can reach the target,
 * no path can be redirected between look and use.
 */
export class LayerTree {
  readonly root = createDirectoryNode(0);
  /** Finished directories whose attributes would disturb the next layer's work in them, with their paths. */
  readonly interfering = new Map<DirectoryNode, ByteString>();
  readonly #names: NameStore;
  readonly #lower: LowerView | undefined;
  /** True when what the layers below have must be assumed. */
  readonly #isAlone: boolean;
  readonly #traversed = new Set<ByteString>();
  #hasAssumed = false;
  readonly #limits: TreeLimits;
  readonly #changes = new Map<DirectoryNode, Change>();
  #layer = 0;
  #made = 0;
  #keptBytes = 0;
  #recordBytes = 0;

  constructor(options: TreeOptions) {
    this.#names = options.names;
    this.#lower = options.lower;
    this.#isAlone = options.form === 'overlay' && options.lower === undefined;
    this.#limits = options.limits;
    this.changeAll({ node: this.root, path: '' as ByteString });
  }

  get layer(): number {
    return this.#layer;
  }

  beginLayer(): void {
    this.#layer += 1;
    this.#made = 0;
    this.#recordBytes = 0;
  }

  /** Records that the contents of a directory, and with them its mtime, changed. */
  touch(directory: TreeDirectory): void {
    const { node } = directory;
    if (node.touchedIn === this.#layer) return;
    node.touchedIn = this.#layer;
    if (!this.#changes.has(node)) this.#changes.set(node, { ...directory, scope: 'times' });
  }

  /** Gives a directory the attributes of its entry, or undefined when no entry describes it any more. */
  setAttributes(directory: TreeDirectory, attributes: Attributes | undefined): void {
    directory.node.attributes = attributes;
    directory.node.layer = this.#layer;
    this.changeAll(directory);
  }

  /** Records that all attributes of a directory must be set. */
  changeAll(directory: TreeDirectory): void {
    this.#changes.set(directory.node, { ...directory, scope: 'all' });
  }

  /** Returns the directories changed since the last call, the deepest first. */
  takeChanges(): Change[] {
    const changes = [...this.#changes.values()].sort((one, other) => other.path.length - one.path.length);
    this.#changes.clear();
    return changes;
  }

  /**
   * Walks to a directory without creating anything, and returns the steps from the root. At `replaced` nothing of the
   * layers below is seen.
   */
  resolve(components: readonly ByteString[], replaced?: ByteString): Step[] {
    return resolveDirectory(components, {
      root: this.root,
      lower: this.#lower,
      maxDepth: this.#limits.maxPathDepth,
      replaced,
      onLeft: this.#isAlone ? (path) => this.recordTraversed(path) : undefined,
    });
  }

  /** Returns the last step to the directory, existing or not, that the components lead to. */
  find(components: readonly ByteString[], replaced?: ByteString): Step {
    const last = this.resolve(components, replaced).at(-1);
    if (last === undefined) throw new SealiftError('INTERNAL', 'expected a walk to begin at the root, got no step');
    return last;
  }

  /** True if a directory is still in the tree and the layer hides nothing that lower layers have at its path. */
  merges({ node, path }: TreeDirectory): boolean {
    let here: Pick<Step, 'node' | 'hidden'> = { node: this.root, hidden: false };
    for (const name of path === '' ? [] : splitComponents(path)) {
      const child = here.node?.children.get(name);
      here = { node: isDirectory(child) ? child : undefined, hidden: hidesChild(here, name) };
    }
    return here.node === node && !here.hidden;
  }

  /** Walks to a directory and creates the missing ones as implied directories. */
  makeDirectories(components: readonly ByteString[]): TreeDirectory {
    let directory: TreeDirectory = { node: this.root, path: '' as ByteString };
    for (const step of this.resolve(components).slice(1)) {
      directory = { node: step.node ?? this.#makeImplied(directory, step), path: step.path };
    }
    return directory;
  }

  /** True once a directory of the layers below was assumed. */
  get hasAssumed(): boolean {
    return this.#hasAssumed;
  }

  /** The paths that `recordTraversed` was called for. */
  get traversed(): readonly ByteString[] {
    return [...this.#traversed];
  }

  /** Records a path where a directory of the layers below was assumed, and which the finished tree does not show. */
  recordTraversed(path: ByteString): void {
    if (this.#traversed.has(path)) return;
    this.countRecorded(path.length);
    this.#traversed.add(path);
    this.#hasAssumed = true;
  }

  #makeImplied(parent: TreeDirectory, { name, hidden }: Step): DirectoryNode {
    if (isIgnoredDirectory(name)) {
      const shown = showByteString(name);
      throw new SealiftError('UNPACK_ENTRY_INVALID', `expected a parent outside of aufs metadata, got ${shown}`);
    }
    this.countRecorded(joinPath(parent.path, name).length);
    const node = this.makeDirectory(parent, name);
    node.assumed = this.#isAlone && !hidden;
    this.#hasAssumed ||= node.assumed;
    return node;
  }

  /** Counts every node that is made, because one entry can imply a thousand directories. */
  countMade(): void {
    this.#made += 1;
    const { maxEntries } = this.#limits;
    if (this.#made <= maxEntries) return;
    throw new SealiftError('LAYER_LIMIT_EXCEEDED', `expected at most ${maxEntries} entries and directories, got more`, {
      context: { limit: 'maxEntries', expected: maxEntries, actual: this.#made },
    });
  }

  /** Counts bytes that stay in memory, those of earlier layers of a merged tree included. */
  countKept(bytes: number): void {
    this.#keptBytes += bytes;
    this.#refuseBeyond('maxTreeBytes', 'bytes of names and attributes', this.#keptBytes);
  }

  /** Counts bytes of paths in the layer's facts: a thousand nested directories have a million bytes of paths. */
  countRecorded(bytes: number): void {
    this.#recordBytes += bytes;
    this.#refuseBeyond('maxRecordBytes', 'bytes of paths to remember', this.#recordBytes);
  }

  #refuseBeyond(limit: 'maxTreeBytes' | 'maxRecordBytes', what: string, actual: number): void {
    const expected = this.#limits[limit];
    if (actual <= expected) return;
    throw new SealiftError('LAYER_LIMIT_EXCEEDED', `expected at most ${expected} ${what}, got more`, {
      context: { limit, expected, actual },
    });
  }

  makeDirectory(parent: TreeDirectory, name: ByteString): DirectoryNode {
    this.countMade();
    const path = joinPath(parent.path, name);
    assertPathFits(path);
    this.#names.makeDirectory(path);
    const node = createDirectoryNode(this.#layer);
    parent.node.children.set(name, node);
    this.touch(parent);
    this.changeAll({ node, path });
    return node;
  }

  /** Makes a directory in the target that is not in the tree. The caller removes it before the layer ends. */
  makeDetached(path: ByteString): TreeDirectory {
    this.countMade();
    // The directory comes and goes, and leaves its mark on the time of the root.
    this.touch({ node: this.root, path: '' as ByteString });
    this.#names.makeDirectory(path);
    return { node: createDirectoryNode(this.#layer), path };
  }

  removeDetached(directory: TreeDirectory): void {
    for (const name of directory.node.children.keys()) this.remove(directory, name);
    this.#names.removeDirectory(directory.path);
    this.#changes.delete(directory.node);
  }

  /** Gives a node other than a directory a second name. */
  link(from: FoundLeaf, { parent, name }: TreeName): void {
    this.countMade();
    if (from.node.kind !== 'dropped') this.#names.link(from.path, joinPath(parent.path, name));
    const { borrowed: _, ...node } = from.node;
    parent.node.children.set(name, { ...node, layer: this.#layer });
  }

  /** Removes a name; a directory with everything in it. */
  remove(parent: TreeDirectory, name: ByteString): void {
    const node = parent.node.children.get(name);
    if (node === undefined) return;
    const path = joinPath(parent.path, name);
    if (node.kind === 'directory') {
      for (const child of node.children.keys()) this.remove({ node, path }, child);
      this.#names.removeDirectory(path);
      if (node.assumed) this.recordTraversed(path);
      this.#changes.delete(node);
      this.interfering.delete(node);
    } else if (node.kind !== 'dropped') {
      this.#names.removeLeaf(path);
    }
    parent.node.children.delete(name);
    this.touch(parent);
  }

  /** Removes what earlier layers created at a name; what the current layer created there or below stays. */
  hide(parent: TreeDirectory, name: ByteString): void {
    const node = parent.node.children.get(name);
    if (node === undefined) return;
    if (node.kind === 'directory') this.#hideDirectory(parent, name, node);
    else if (node.layer < this.#layer) this.remove(parent, name);
  }

  #hideDirectory(parent: TreeDirectory, name: ByteString, node: DirectoryNode): void {
    if (node.bornIn === this.#layer) return;
    this.hideChildren({ node, path: joinPath(parent.path, name) });
    if (node.layer === this.#layer) return;
    if (node.children.size === 0) {
      this.remove(parent, name);
      return;
    }
    // The old directory is gone; the one that is left is implied by the current layer.
    this.setAttributes({ node, path: joinPath(parent.path, name) }, undefined);
  }

  /**
   * Removes what earlier layers created in a directory. Runs once for each directory and layer, because everything
   * created later is the current layer's own.
   */
  hideChildren(directory: TreeDirectory): void {
    const { node } = directory;
    if (node.prunedIn === this.#layer) return;
    node.prunedIn = this.#layer;
    for (const name of node.children.keys()) this.hide(directory, name);
  }

  /**
   * Removes copies of files of the layers below, which the layer now hides. Runs once for each directory, because no
   * copy can be made there any more.
   */
  returnBorrowed(directory: TreeDirectory): void {
    const { node, path } = directory;
    if (node.prunedIn === this.#layer) return;
    node.prunedIn = this.#layer;
    for (const [name, child] of node.children) {
      if (isDirectory(child)) this.returnBorrowed({ node: child, path: joinPath(path, name) });
      else if (child.borrowed) this.remove(directory, name);
    }
  }
}

export function isDirectory(node: TrieNode | undefined): node is DirectoryNode {
  return node?.kind === 'directory';
}
