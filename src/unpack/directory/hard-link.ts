import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import type { LowerView } from '../types.ts';
import { copyLower } from './copy-lower.ts';
import { joinPath, parseEntryPath } from './entry-path.ts';
import { type FoundTarget, makeHardLink, type Target } from './place-entry.ts';
import { hidesChild } from './resolve-directory.ts';
import type { Place } from './staged-tree.ts';

interface LinkRequest extends Target {
  readonly lower: LowerView | undefined;
  readonly unsafeLinkname: ByteString;
  readonly place: Place;
  readonly name: ByteString;
}

export type LinkResult =
  | { readonly kind: 'linked'; readonly copiedBytes: number }
  /** The layer has no such name; `target` is where it would lie. */
  | { readonly kind: 'unresolved'; readonly target: ByteString };

/**
 * Makes a second name for something that the layer, or the view below, has. The target is relative to the layer's root
 * and its parents are resolved inside it; its last component is not followed. Throws UNPACK_PATH_ESCAPE for a target
 * above the root, and UNPACK_ENTRY_INVALID for a directory or for the link itself.
 */
export function applyHardLink(request: LinkRequest): LinkResult {
  const { tree, place, name, lower } = request;
  const components = parseEntryPath(request.unsafeLinkname);
  const targetName = components.pop();
  if (targetName === undefined) throw linksToDirectory('' as ByteString);
  const parent = tree.find(components);
  const path = joinPath(parent.path, targetName);
  refuseOwnPath(path, joinPath(place.path, name));

  const node = parent.node?.children.get(targetName);
  if (node?.kind === 'directory') throw linksToDirectory(path);
  if (node !== undefined) {
    makeHardLink(tree, { path, node }, place, name);
    return { kind: 'linked', copiedBytes: 0 };
  }
  if (lower === undefined || hidesChild(parent, targetName)) return { kind: 'unresolved', target: path };
  return linkToLower(request, lower, path);
}

function refuseOwnPath(target: ByteString, own: ByteString): void {
  if (target !== own && !target.startsWith(`${own}/`)) return;
  const shown = showByteString(target);
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a hard link to something else, got ${shown}, which it replaces`,
  );
}

function linksToDirectory(path: ByteString): SealiftError {
  const shown = path === '' ? 'the root' : showByteString(path);
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected a hard link to a file, got directory ${shown}`);
}

/** The copy takes every name that the file has below, or a set of links would be torn into two. */
function linkToLower(request: LinkRequest, lower: LowerView, path: ByteString): LinkResult {
  const { tree, place, name } = request;
  const below = lower.lookup(path);
  if (below === undefined) return { kind: 'unresolved', target: path };
  if (below.type === 'directory') throw linksToDirectory(path);
  const own = joinPath(place.path, name);
  const [parent, targetName] = placeOf(request, path);
  const copiedBytes = copyLower(request, below, parent, targetName);
  const node = borrow(parent, targetName);
  if (node === undefined) throw linksToDirectory(path);
  const from: FoundTarget = { path, node };
  for (const other of lower.linksOf(path)) {
    if (other !== path && other !== own) linkOther(request, from, other);
  }
  makeHardLink(tree, from, place, name);
  return { kind: 'linked', copiedBytes };
}

function borrow({ node }: Place, name: ByteString): FoundTarget['node'] | undefined {
  const made = node.children.get(name);
  if (made === undefined || made.kind === 'directory') return undefined;
  const borrowed = { ...made, borrowed: true } as const;
  node.children.set(name, borrowed);
  return borrowed;
}

/** Another lower name of the same file, unless the layer being applied hides or has replaced it. */
function linkOther(request: LinkRequest, from: FoundTarget, path: ByteString): void {
  const components = parseEntryPath(path);
  const name = components.pop();
  if (name === undefined) return;
  const steps = request.tree.resolve(components);
  const parent = steps.at(-1);
  if (parent === undefined || joinPath(parent.path, name) !== path) return;
  if (hidesChild(parent, name) || parent.node?.children.has(name)) return;
  const place = request.tree.makeDirectories(components);
  makeHardLink(request.tree, from, place, name);
  borrow(place, name);
}

function placeOf({ tree }: Target, path: ByteString): [Place, ByteString] {
  const components = parseEntryPath(path);
  const name = components.pop();
  if (name === undefined) throw linksToDirectory(path);
  return [tree.makeDirectories(components), name];
}
