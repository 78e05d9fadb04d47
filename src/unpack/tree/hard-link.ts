import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import type { LowerView } from '../types.ts';
import { joinPath, parseEntryPath } from './entry-path.ts';
import type { FoundLeaf, LayerTree, TreeName } from './layer-tree.ts';
import type { NodeMaker } from './node-maker.ts';
import { hidesChild } from './resolve-directory.ts';

interface LinkRequest {
  readonly tree: LayerTree;
  readonly nodes: NodeMaker;
  readonly lower: LowerView | undefined;
  readonly unsafeLinkname: ByteString;
  /** The name that the link gets. */
  readonly at: TreeName;
}

export type LinkResult =
  | { readonly kind: 'linked'; readonly copiedBytes: number }
  /** The layer has no such name; `target` is its resolved path. */
  | { readonly kind: 'unresolved'; readonly target: ByteString };

/**
 * Makes a second name for a node of the layer or of the view below. The target is relative to the layer's root
 * and its parents are resolved inside it; its last component is not followed. Throws UNPACK_PATH_ESCAPE for a target
 * above the root, and UNPACK_ENTRY_INVALID for a directory or for the link itself.
 */
export function applyHardLink(request: LinkRequest): LinkResult {
  const { tree, at, lower } = request;
  const components = parseEntryPath(request.unsafeLinkname);
  const targetName = components.pop();
  if (targetName === undefined) throw linksToDirectory('' as ByteString);
  // What had the link's name before is removed first, as tar does, also when the target leads through it.
  const own = joinPath(at.parent.path, at.name);
  const parent = tree.find(components, own);
  const path = joinPath(parent.path, targetName);
  refuseOwnPath(path, own);

  const node = parent.node?.children.get(targetName);
  if (node?.kind === 'directory') {
    // Without an entry it may be a symlink in the layers below, which cannot be seen without a view.
    if (lower === undefined && node.attributes === undefined) return { kind: 'unresolved', target: path };
    throw linksToDirectory(path);
  }
  if (node !== undefined) {
    tree.link({ path, node }, at);
    return { kind: 'linked', copiedBytes: 0 };
  }
  if (lower === undefined || hidesChild(parent, targetName)) return { kind: 'unresolved', target: path };
  return linkToLower(request, lower, path);
}

function refuseOwnPath(target: ByteString, own: ByteString): void {
  if (!isAtOrBelow(target, own)) return;
  const shown = showByteString(target);
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a hard link to another path, got ${shown}, which the link itself replaces`,
  );
}

/** True for a path that vanishes when the node at `other` is replaced. */
function isAtOrBelow(path: ByteString, other: ByteString): boolean {
  return path === other || path.startsWith(`${other}/`);
}

function linksToDirectory(path: ByteString): SealiftError {
  const shown = path === '' ? 'the root' : showByteString(path);
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected a hard link to a file, got directory ${shown}`);
}

/** Copies a file with every name that it has below, so that a set of hard links is not split in two. */
function linkToLower(request: LinkRequest, lower: LowerView, path: ByteString): LinkResult {
  const { tree, nodes, at } = request;
  const below = lower.lookup(path);
  if (below === undefined) return { kind: 'unresolved', target: path };
  if (below.type === 'directory') throw linksToDirectory(path);
  const own = joinPath(at.parent.path, at.name);
  const target = makeParents(request, path);
  tree.countMade();
  const copiedBytes = nodes.copyLower(below, target);
  const node = borrow(target);
  if (node === undefined) throw linksToDirectory(path);
  const from: FoundLeaf = { path, node };
  for (const other of lower.linksOf(path)) {
    if (other !== path && !isAtOrBelow(other, own)) linkOther(request, from, other);
  }
  tree.link(from, at);
  return { kind: 'linked', copiedBytes };
}

function borrow({ parent: { node }, name }: TreeName): FoundLeaf['node'] | undefined {
  const made = node.children.get(name);
  if (made === undefined || made.kind === 'directory') return undefined;
  const borrowed = { ...made, borrowed: true } as const;
  node.children.set(name, borrowed);
  return borrowed;
}

/** Links another lower name of the same file, unless the layer being applied hides or has replaced it. */
function linkOther(request: LinkRequest, from: FoundLeaf, path: ByteString): void {
  const components = parseEntryPath(path);
  const name = components.pop();
  if (name === undefined || !shows(request.tree, components, name)) return;
  const at = { parent: request.tree.makeDirectories(components), name };
  request.tree.link(from, at);
  borrow(at);
}

/** True if a name of the layers below still shows; every parent is a directory in them. */
function shows(tree: LayerTree, parents: readonly ByteString[], name: ByteString): boolean {
  let here: Parameters<typeof hidesChild>[0] = { node: tree.root, hidden: false };
  for (const parent of parents) {
    const hidden = hidesChild(here, parent);
    const child = here.node?.children.get(parent);
    if (hidden || (child !== undefined && child.kind !== 'directory')) return false;
    here = { node: child, hidden };
  }
  return !hidesChild(here, name) && here.node?.children.has(name) !== true;
}

/** Creates the missing directories above a path of the layers below. */
function makeParents({ tree }: LinkRequest, path: ByteString): TreeName {
  const components = parseEntryPath(path);
  const name = components.pop();
  if (name === undefined) throw linksToDirectory(path);
  return { parent: tree.makeDirectories(components), name };
}
