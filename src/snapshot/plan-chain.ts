import type { ByteString } from '../bytes/index.ts';
import { showByteString } from '../bytes/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import { parentPath } from './path.ts';
import type { ChainPlan, ChainReason } from './types.ts';

/** A layer may have a reason for each of its directories, with the text of a symlink; the first few say enough. */
const MAX_REASONS = 8;

/** What the layers below show at a path whose parents are directories there; undefined for nothing. */
export interface ChainView {
  lookup(
    path: ByteString,
  ): { readonly type: 'directory' | 'symlink' | 'other'; readonly target?: ByteString } | undefined;
}

/** What the layers below have at the path of a directory of the layer. */
type Below =
  /** A directory that it merges with. */
  | 'directory'
  /** Nothing, or something that this layer hides. */
  | 'nothing'
  /** A symlink at the path or above it: children of the directory belong where the symlink leads. */
  | 'symlink';

/**
 * Decides whether a layer, applied by itself, can be mounted on the chain below it. It cannot when it hard-links into
 * that chain, when a parent that it had no entry for is a symlink there, or when its marks find nothing to hide there.
 * Throws `UNPACK_ENTRY_INVALID` when the only reason is such a parent that is neither a directory nor a symlink: behind
 * a symlink or hard link, the layer's entries may be at other paths, so the layer is written again to find out.
 */
export function planChain(
  facts: Pick<LayerFacts, 'implied' | 'traversed' | 'unresolvedLinks' | 'marked'>,
  below: ChainView,
): ChainPlan {
  const reasons: ChainReason[] = facts.unresolvedLinks.slice(0, MAX_REASONS).map(({ path, target }) => ({
    kind: 'unresolved-link',
    path,
    target,
  }));
  const assumed = new Set(facts.traversed);
  for (const { path, cut } of facts.implied) if (!cut) assumed.add(path);
  const search: Search = { assumed, known: new Map(), view: below, reasons, files: [] };
  for (const path of [...assumed, ...facts.marked]) {
    for (const ancestor of unknownFromTop(path, search.known)) search.known.set(ancestor, look(ancestor, search));
  }
  for (const path of facts.marked) {
    if (search.known.get(path) === 'nothing') addReason(reasons, { kind: 'idle-marks', path });
  }
  if (reasons.length > 0) return { kind: 'needs-chain', reasons };
  const [file] = search.files;
  if (file !== undefined) throw noDirectory(file);
  return { kind: 'independent' };
}

/** Returns the path and its unknown ancestors, outermost first. The root is a directory in every layer. */
function unknownFromTop(path: ByteString, known: ReadonlyMap<ByteString, Below>): ByteString[] {
  const unknown: ByteString[] = [];
  for (let at = path; at !== '' && !known.has(at); at = parentPath(at)) unknown.push(at);
  return unknown.reverse();
}

interface Search {
  /** Paths where the layer was written as if the layers below had a directory or nothing. */
  readonly assumed: ReadonlySet<ByteString>;
  readonly known: Map<ByteString, Below>;
  readonly view: ChainView;
  readonly reasons: ChainReason[];
  /** Assumed paths where the layers below have neither a directory nor a symlink. */
  readonly files: ByteString[];
}

function look(path: ByteString, { assumed, known, view, reasons, files }: Search): Below {
  const parent = known.get(parentPath(path)) ?? 'directory';
  if (parent !== 'directory') return parent;
  const node = view.lookup(path);
  if (node === undefined) return 'nothing';
  if (node.type === 'directory') return 'directory';
  // A directory that the layer has an entry for replaces any node of the layers below.
  if (!assumed.has(path)) return 'nothing';
  if (node.type === 'symlink') {
    addReason(reasons, { kind: 'symlinked-parent', path, target: node.target ?? ('' as ByteString) });
    return 'symlink';
  }
  files.push(path);
  return 'nothing';
}

function addReason(reasons: ChainReason[], reason: ChainReason): void {
  if (reasons.length < MAX_REASONS) reasons.push(reason);
}

function noDirectory(path: ByteString): SealiftError {
  return new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `combine layer with those below: ${showByteString(path)}: expected a directory, got something else in a lower layer`,
    { context: { path: showByteString(path) } },
  );
}
