import { type ByteString, showByteString } from '../../bytes/index.ts';
import { assertNever, prefixError, SealiftError } from '../../errors/index.ts';
import type { EntrySink, ImpliedDirectory, LayerFacts, LowerView, TarEntry, UnresolvedLink } from '../types.ts';
import { assertPathFits, pathFits } from './assert-fits.ts';
import { AufsLinks, isLinkDirectory } from './aufs-links.ts';
import { joinPath, parseEntryPath } from './entry-path.ts';
import { applyHardLink } from './hard-link.ts';
import { isMarked } from './is-marked.ts';
import { keepAttributes, keptBytes } from './kept-entry.ts';
import {
  isDirectory,
  LayerTree,
  type NameStore,
  type TreeDirectory,
  type TreeLimits,
  type TreeName,
} from './layer-tree.ts';
import type { NodeMaker } from './node-maker.ts';
import { parseDevice } from './parse-device.ts';
import { Tally } from './tally.ts';
import type { DirectoryNode, TrieNode } from './trie.ts';
import { isIgnoredDirectory, parseWhiteoutName } from './whiteout-name.ts';

export interface TreeWriterOptions {
  /** `overlay`: one layer, whiteouts and opaque marks as overlayfs reads them. `merged`: layers in order, marks delete. */
  readonly form: 'overlay' | 'merged';
  /** Without it, owners, devices and attributes that need root are left out and counted; `merged` only. */
  readonly privileged: boolean;
  /** The layers below, where parents and hard links of an `overlay` layer may lead. */
  readonly lower?: LowerView | undefined;
  readonly limits: TreeLimits;
  readonly names: NameStore;
  readonly createNodes: (tree: LayerTree, tally: Tally) => NodeMaker;
}

interface OpenFile {
  readonly entry: TarEntry;
  remaining: number;
}

/**
 * The rules of a layer: judges names, finds the directory of each entry and keeps count; a `NodeMaker` makes the nodes.
 * After a call has thrown only `close` may follow.
 */
export class TreeWriter implements EntrySink {
  readonly #options: TreeWriterOptions;
  readonly #tree: LayerTree;
  readonly #aufsLinks: AufsLinks;
  readonly #tally = new Tally();
  readonly #nodes: NodeMaker;
  readonly #unresolved: UnresolvedLink[] = [];
  #implied: ImpliedDirectory[] | undefined;
  readonly #marks = new Map<DirectoryNode, TreeDirectory>();
  #marked: readonly ByteString[] = [];
  /** True once the layer, applied by itself, cannot go on without knowing what lies below. */
  #isUndecided = false;
  #file: OpenFile | undefined;
  /** The number of content bytes still to come that belong to a mark and are discarded. */
  #skipping = 0;
  #entries = 0;
  #contentBytes = 0;
  /** The last parent and the text that led to it, because entries usually come directory by directory. */
  #lastParent: { readonly unsafeText: string; readonly directory: TreeDirectory } | undefined;

  constructor(options: TreeWriterOptions) {
    this.#options = options;
    this.#tree = new LayerTree(options);
    this.#aufsLinks = new AufsLinks(this.#tree);
    this.#nodes = options.createNodes(this.#tree, this.#tally);
  }

  /** `merged` only, after an `end`: the entries that follow are those of the next layer. */
  beginLayer(): void {
    if (this.#options.form === 'overlay') {
      throw new SealiftError('INTERNAL', 'begin layer: expected the merged form, got the overlay form');
    }
    this.#assertComplete();
    this.#entries = 0;
    this.#contentBytes = 0;
    this.#tally.reset();
    this.#implied = undefined;
    this.#tree.beginLayer();
    this.#guard(() => this.#nodes.beginLayer());
    this.#lastParent = undefined;
  }

  entry(entry: TarEntry): void {
    this.#assertComplete();
    if (this.#implied !== undefined) {
      throw new SealiftError('INTERNAL', 'unpack layer: expected the next layer to begin, got an entry');
    }
    this.#entries += 1;
    try {
      this.#tree.countMade();
      this.#tree.countKept(keptBytes(entry));
      if (this.#isUndecided) this.#skipping = entry.size;
      else this.#apply(entry);
    } catch (error) {
      throw this.#failed(entry, error);
    }
  }

  data(chunk: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) {
      if (chunk.length > this.#skipping) throw surplus(chunk.length, this.#skipping);
      this.#skipping -= chunk.length;
      return;
    }
    if (chunk.length > file.remaining) throw surplus(chunk.length, file.remaining);
    try {
      this.#nodes.write(chunk);
      this.#contentBytes += chunk.length;
      file.remaining -= chunk.length;
      if (file.remaining === 0) this.#finishFile();
    } catch (error) {
      throw this.#failed(file.entry, error);
    }
  }

  end(): void {
    this.#assertComplete();
    const marked = [...this.#marks.values()].filter((directory) => this.#tree.merges(directory) && isMarked(directory));
    this.#marked = marked.map(({ path }) => path);
    this.#guard(() => {
      this.#aufsLinks.clear();
      this.#implied = this.#nodes.endLayer();
    });
  }

  /** Returns what is known of the layer that ended last; throws INTERNAL while one is being applied. */
  facts(): LayerFacts {
    if (this.#implied === undefined) {
      throw new SealiftError(
        'INTERNAL',
        'layer facts: expected a layer that has ended, got one that is still being applied',
      );
    }
    return {
      entries: this.#entries,
      contentBytes: this.#contentBytes,
      implied: this.#implied,
      traversed: this.#tree.traversed,
      unresolvedLinks: this.#unresolved,
      marked: this.#marked,
      dropped: this.#tally.toRecord(),
    };
  }

  /** Closes what an unfinished layer holds open. */
  close(): void {
    this.#nodes.close();
    this.#file = undefined;
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw this.#nodes.describeFailure(error);
    }
  }

  #failed(entry: TarEntry, error: unknown): SealiftError {
    this.close();
    return prefixError(`entry ${showByteString(entry.unsafeName)}`, this.#nodes.describeFailure(error));
  }

  #assertComplete(): void {
    const missing = this.#file?.remaining ?? this.#skipping;
    if (missing > 0) {
      throw new SealiftError('INTERNAL', `unpack layer: expected ${missing} more bytes of content, got none`);
    }
  }

  #apply(entry: TarEntry): void {
    const components = parseEntryPath(entry.unsafeName);
    const name = components.pop();
    if (name === undefined) {
      this.#applyRoot(entry);
      return;
    }
    if (components.some(isIgnoredDirectory)) {
      this.#ignore(entry);
      if (entry.type !== 'file' || !isLinkDirectory(components)) return;
      this.#skipping = 0;
      this.#applyFile(entry, this.#aufsLinks.open(name));
      return;
    }
    const meaning = parseWhiteoutName(name);
    if (meaning.kind === 'plain') this.#applyPlain(entry, components, name);
    else if (meaning.kind === 'ignored') this.#ignore(entry);
    else this.#applyMark(entry, components, meaning.kind === 'whiteout' ? meaning.name : undefined);
  }

  #ignore(entry: TarEntry): void {
    this.#skipping = entry.size;
    this.#tally.add('aufs-metadata');
  }

  /** Anything but a directory would replace the root itself (CVE-2021-29136). */
  #applyRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') {
      throw new SealiftError('UNPACK_ENTRY_INVALID', `expected the root to be a directory, got a ${entry.type}`);
    }
    this.#tree.setAttributes({ node: this.#tree.root, path: '' as ByteString }, keepAttributes(entry));
  }

  /** Applies a whiteout of `name`, or the opaque mark when there is no name. The mark itself never becomes a file. */
  #applyMark(entry: TarEntry, components: readonly ByteString[], name: ByteString | undefined): void {
    this.#skipping = entry.size;
    this.#lastParent = undefined;
    const { lower, form } = this.#options;
    const found = this.#locate(entry, () => this.#tree.find(components));
    if (found === undefined) return;
    if (form === 'merged') {
      if (found.node === undefined) return;
      const directory = { node: found.node, path: found.path };
      if (name === undefined) this.#tree.hideChildren(directory);
      else this.#tree.hide(directory, name);
      return;
    }
    // Where the lower layers have nothing, there is nothing to hide, and overlayfs would show the mark itself.
    const hides = name === undefined ? found.path : joinPath(found.path, name);
    if (!pathFits(hides) || (lower !== undefined && lower.lookup(hides) === undefined)) return;
    const directory = this.#locate(entry, () => this.#tree.makeDirectories(components));
    if (directory !== undefined) this.#markOverlay(directory, name);
  }

  /**
   * Runs a step that depends on where earlier entries are. When the step refuses the entry although the layer assumed
   * what lies below, earlier entries may belong elsewhere: the layer is left undecided and this returns undefined. The
   * writer that has the layers below in view refuses the entry or goes on.
   */
  #locate<Result>(entry: TarEntry, step: () => Result): Result | undefined {
    try {
      return step();
    } catch (error) {
      if (!this.#tree.hasAssumed || !isContradiction(error)) throw error;
      this.#isUndecided = true;
      this.#skipping = entry.size;
      this.#recordUnresolved({ path: entry.unsafeName, target: entry.unsafeLinkname });
      return undefined;
    }
  }

  #recordUnresolved(link: UnresolvedLink): void {
    this.#tree.countRecorded(link.path.length + link.target.length);
    this.#unresolved.push(link);
  }

  #markOverlay(directory: TreeDirectory, name: ByteString | undefined): void {
    const { node, path } = directory;
    if (!this.#marks.has(node)) {
      this.#tree.countRecorded(path.length);
      this.#marks.set(node, directory);
    }
    if (name === undefined) {
      node.opaque = true;
      this.#tree.returnBorrowed(directory);
      return;
    }
    node.whiteouts = (node.whiteouts ?? new Set()).add(name);
    const child = node.children.get(name);
    if (isDirectory(child)) this.#tree.returnBorrowed({ node: child, path: joinPath(path, name) });
    else if (child?.borrowed) this.#tree.remove(directory, name);
  }

  #applyPlain(entry: TarEntry, components: readonly ByteString[], name: ByteString): void {
    const parent = this.#locate(entry, () => this.#parentOf(entry, components, name));
    if (parent === undefined) return;
    assertPathFits(joinPath(parent.path, name));
    this.#tree.touch(parent);
    const existing = parent.node.children.get(name);
    if (existing !== undefined && !(isDirectory(existing) && entry.type === 'directory')) {
      this.#tree.remove(parent, name);
      this.#lastParent = undefined;
    }
    const at = { parent, name };
    switch (entry.type) {
      case 'file':
        this.#applyFile(entry, at);
        break;
      case 'directory':
        this.#applyDirectory(entry, at, existing);
        break;
      case 'symlink':
        this.#nodes.makeSymlink(at, entry.unsafeLinkname, entry);
        break;
      case 'hardlink':
        this.#applyHardLink(entry, at);
        break;
      case 'char':
      case 'block':
      case 'fifo':
        this.#applyDevice(entry, entry.type, at);
        break;
      default:
        assertNever(entry.type, 'entry type');
    }
  }

  #parentOf(entry: TarEntry, components: readonly ByteString[], name: ByteString): TreeDirectory {
    const { unsafeName } = entry;
    const slash = unsafeName.lastIndexOf('/') + 1;
    const unsafeText = unsafeName.slice(0, slash);
    if (this.#lastParent?.unsafeText === unsafeText && unsafeName.slice(slash) === name)
      return this.#lastParent.directory;
    const parent = this.#tree.makeDirectories(components);
    // With layers below or through a link, any new entry may change where the same text leads.
    const isDirect = parent.path === components.join('/');
    const stable = this.#options.lower === undefined && isDirect && unsafeName.slice(slash) === name;
    this.#lastParent = stable ? { unsafeText, directory: parent } : undefined;
    return parent;
  }

  #applyFile(entry: TarEntry, at: TreeName): void {
    this.#nodes.openFile(at, entry);
    this.#file = { entry, remaining: entry.size };
    if (entry.size === 0) this.#finishFile();
  }

  #finishFile(): void {
    this.#file = undefined;
    this.#nodes.finishFile();
  }

  /** A directory over a directory replaces the attributes and keeps the contents. */
  #applyDirectory(entry: TarEntry, { parent, name }: TreeName, existing: TrieNode | undefined): void {
    const node = isDirectory(existing) ? existing : this.#tree.makeDirectory(parent, name);
    // What stood here before had already replaced a directory below, with everything in it.
    if (existing !== undefined && !isDirectory(existing) && this.#options.form === 'overlay') node.opaque = true;
    this.#tree.setAttributes({ node, path: joinPath(parent.path, name) }, keepAttributes(entry));
  }

  /** A hard link has no attributes of its own; umoci ignores those of its entry too. */
  #applyHardLink(entry: TarEntry, at: TreeName): void {
    const { lower, form } = this.#options;
    const { unsafeLinkname } = entry;
    const kept = this.#aufsLinks.find(unsafeLinkname);
    if (kept !== undefined) {
      this.#tree.link(kept, at);
      return;
    }
    const request = { tree: this.#tree, nodes: this.#nodes, lower, unsafeLinkname, at };
    const result = this.#locate(entry, () => applyHardLink(request));
    if (result === undefined) return;
    if (result.kind === 'linked') {
      this.#contentBytes += result.copiedBytes;
      return;
    }
    if (form === 'overlay' && lower === undefined) {
      this.#recordUnresolved({ path: joinPath(at.parent.path, at.name), target: result.target });
      return;
    }
    const target = showByteString(result.target);
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `expected hard link target ${target} to exist, but nothing has that name`,
      {
        context: { target },
      },
    );
  }

  #applyDevice(entry: TarEntry, type: 'char' | 'block' | 'fifo', at: TreeName): void {
    const device = parseDevice(entry, type);
    const { children } = at.parent.node;
    if (type !== 'fifo' && !this.#options.privileged) {
      this.#tally.add('device-without-root');
      children.set(at.name, { kind: 'dropped', layer: this.#tree.layer });
      return;
    }
    this.#nodes.makeDevice(at, device, entry);
  }
}

/** True for an entry that does not fit the entries before it. A name or path of too many bytes is refused at once. */
function isContradiction(error: unknown): boolean {
  return (
    error instanceof SealiftError && error.code === 'UNPACK_ENTRY_INVALID' && error.context['actual'] === undefined
  );
}

function surplus(actual: number, expected: number): SealiftError {
  return new SealiftError('INTERNAL', `unpack layer: expected ${expected} bytes of content, got ${actual}`);
}
