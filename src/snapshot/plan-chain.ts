import type { ByteString } from '../bytes/index.ts';
import { showByteString } from '../bytes/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { ImpliedDirectory, LayerFacts, LowerView } from '../unpack/index.ts';
import { parentPath } from './path.ts';
import type { ChainPlan, ChainReason } from './types.ts';

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
 * that chain, when a parent that it has no entry for is a symlink there, or when its marks find nothing to hide there.
 * Throws `UNPACK_ENTRY_INVALID` when such a parent is neither a directory nor a symlink.
 */
export function planChain(
  facts: Pick<LayerFacts, 'implied' | 'unresolvedLinks' | 'marked'>,
  below: LowerView,
): ChainPlan {
  const reasons: ChainReason[] = facts.unresolvedLinks.map(({ path, target }) => ({
    kind: 'unresolved-link',
    path,
    target,
  }));
  const implied = new Map(facts.implied.map((directory) => [directory.path, directory]));
  const known = new Map<ByteString, Below>();
  for (const path of [...implied.keys(), ...facts.marked]) {
    for (const ancestor of unknownFromTop(path, known)) {
      known.set(ancestor, look(ancestor, { implied, known, view: below, reasons }));
    }
  }
  for (const path of facts.marked) if (known.get(path) === 'nothing') reasons.push({ kind: 'idle-marks', path });
  return reasons.length === 0 ? { kind: 'independent' } : { kind: 'needs-chain', reasons };
}

/** Returns the path and its unknown ancestors, outermost first. The root is a directory in every layer. */
function unknownFromTop(path: ByteString, known: ReadonlyMap<ByteString, Below>): ByteString[] {
  const unknown: ByteString[] = [];
  for (let at = path; at !== '' && !known.has(at); at = parentPath(at)) unknown.push(at);
  return unknown.reverse();
}

interface Search {
  readonly implied: ReadonlyMap<ByteString, ImpliedDirectory>;
  readonly known: ReadonlyMap<ByteString, Below>;
  readonly view: LowerView;
  readonly reasons: ChainReason[];
}

function look(path: ByteString, { implied, known, view, reasons }: Search): Below {
  const parent = known.get(parentPath(path)) ?? 'directory';
  if (parent !== 'directory') return parent;
  const entry = implied.get(path);
  if (entry?.cut) return 'nothing';
  const node = view.lookup(path);
  if (node === undefined) return 'nothing';
  if (node.type === 'directory') return 'directory';
  // A directory that the layer has an entry for replaces any node of the layers below.
  if (entry === undefined) return 'nothing';
  if (node.type === 'symlink') {
    reasons.push({ kind: 'symlinked-parent', path, target: node.target ?? ('' as ByteString) });
    return 'symlink';
  }
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `combine layer with those below: ${showByteString(path)}: expected a directory, got something else in a lower layer`,
    { context: { path: showByteString(path) } },
  );
}
