import type { ByteString } from '../bytes/index.ts';
import type { PlanMemory } from '../limits/index.ts';
import type { ImpliedDirectory } from '../unpack/index.ts';
import { childPath, ROOT } from './path.ts';
import type { LayerNodeKind } from './types.ts';

/** Names in a directory that a plan asks about, each with those to find below it. */
export type NamesToFind = ReadonlyMap<ByteString, NamesToFind>;

/** The tree of one layer, which is read directory by directory. */
export interface LayerNodes {
  /** True if a directory of the layer hides the contents of those below it. Asked only where there are any. */
  isOpaque(path: ByteString): boolean;
  /** What the layer has under these names in a directory of its own; absent names are left out. */
  children(directory: ByteString, names: NamesToFind): Iterable<readonly [ByteString, LayerNodeKind]>;
}

/** What the layers show at a path. */
export interface ShownNode {
  readonly kind: 'directory' | 'symlink' | 'other';
  /** The topmost layer that has the node. */
  readonly layer: number;
  /** For a directory: the topmost layer that has an entry for it, from which it gets its attributes. */
  readonly owner: number | undefined;
  /** Undefined as long as nothing that is asked about shows in it. */
  children: Map<ByteString, ShownNode> | undefined;
}

const NOTHING: NamesToFind = new Map();

/** What a name takes in the trees and maps of a plan, and what a directory takes in addition if there are names in it. */
const NAME_BYTES = 150;
const BRANCH_BYTES = 400;

/** The paths that a plan asks about, with their parents, as a tree of names, whose memory counts. */
export class PathsToFind {
  readonly root: Branch = new Map();
  readonly #memory: PlanMemory;

  constructor(memory: PlanMemory) {
    this.#memory = memory;
  }

  /** Throws `LAYER_LIMIT_EXCEEDED`. */
  add(path: ByteString): void {
    let names = this.root;
    for (let start = 0; start < path.length; ) {
      const slash = path.indexOf('/', start);
      const end = slash === -1 ? path.length : slash;
      const name = path.slice(start, end) as ByteString;
      const isLast = end === path.length;
      names = isLast ? this.#leaf(names, name) : this.#branch(names, name);
      start = end + 1;
    }
  }

  /** Most names have none below them, and share one empty map. */
  #leaf(names: Branch, name: ByteString): Branch {
    if (names.has(name)) return names;
    this.#memory.take(NAME_BYTES);
    names.set(name, NOTHING);
    return names;
  }

  #branch(names: Branch, name: ByteString): Branch {
    const known = names.get(name);
    if (known !== undefined && known !== NOTHING) return known as Branch;
    this.#memory.take(known === undefined ? NAME_BYTES + BRANCH_BYTES : BRANCH_BYTES);
    const made: Branch = new Map();
    names.set(name, made);
    return made;
  }
}

type Branch = Map<ByteString, NamesToFind>;

interface AddedLayer {
  readonly index: number;
  readonly nodes: LayerNodes;
  readonly impliedAt: (path: ByteString) => ImpliedDirectory | undefined;
}

/**
 * What a chain of layers shows at some paths, as overlayfs merges them. Layers are added bottom to top, and each
 * directory of each layer is read at most once, so the work is linear in what is there.
 * https://docs.kernel.org/filesystems/overlayfs.html#merged-directories
 */
export class LayerStack {
  readonly #names: NamesToFind;
  #height = 0;
  #root: ShownNode = { kind: 'directory', layer: 0, owner: undefined, children: undefined };

  constructor({ root }: PathsToFind) {
    this.#names = root;
  }

  get root(): ShownNode {
    return this.#root;
  }

  /** `impliedAt` returns the directory of the layer at a path if the layer has no entry for it. */
  add(nodes: LayerNodes, impliedAt: AddedLayer['impliedAt'] = () => undefined): void {
    const layer = { index: this.#height, nodes, impliedAt };
    this.#height += 1;
    this.#root = showDirectory(this.#root, ROOT, layer);
    this.#merge(this.#root, { path: ROOT, names: this.#names, layer });
  }

  /** Returns what shows at a path; undefined for nothing. */
  find(path: ByteString): ShownNode | undefined {
    if (path === ROOT) return this.#root;
    let node: ShownNode | undefined = this.#root;
    for (const name of path.split('/')) {
      node = node?.children?.get(name as ByteString);
      if (node === undefined) return undefined;
    }
    return node;
  }

  #merge(
    shown: ShownNode,
    at: { readonly path: ByteString; readonly names: NamesToFind; readonly layer: AddedLayer },
  ): void {
    const { path: directory, names, layer } = at;
    if (names.size === 0) return;
    for (const [name, kind] of layer.nodes.children(directory, names)) {
      const path = childPath(directory, name);
      const below = shown.children?.get(name);
      const node = kind === 'directory' ? showDirectory(below, path, layer) : show(below, kind, layer);
      if (node === undefined) {
        shown.children?.delete(name);
        continue;
      }
      shown.children ??= new Map();
      shown.children.set(name, node);
      if (node.kind === 'directory') this.#merge(node, { path, names: names.get(name) ?? NOTHING, layer });
    }
  }
}

/** Returns what shows once a layer with this node is on top of `below`. */
function show(
  below: ShownNode | undefined,
  kind: Exclude<LayerNodeKind, 'directory'>,
  { index: layer }: AddedLayer,
): ShownNode | undefined {
  if (kind === 'absent') return below;
  return kind === 'whiteout' ? undefined : { kind, layer, owner: undefined, children: undefined };
}

/** An opaque mark hides the contents of the directory below, but not that directory's own attributes. */
function showDirectory(below: ShownNode | undefined, path: ByteString, layer: AddedLayer): ShownNode {
  const implied = layer.impliedAt(path);
  const merged = below?.kind === 'directory' && implied?.cut !== true ? below : undefined;
  const contents = merged?.children;
  return {
    kind: 'directory',
    layer: layer.index,
    owner: implied === undefined ? layer.index : merged?.owner,
    children: contents !== undefined && layer.nodes.isOpaque(path) ? undefined : contents,
  };
}
