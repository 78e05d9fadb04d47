import type { ByteString } from '../bytes/index.ts';
import { showByteString } from '../bytes/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { ImpliedDirectory, LayerFacts, LowerView } from '../unpack/index.ts';
import { parentPath } from './path.ts';
import type { ChainPlan, ChainReason } from './types.ts';

/** What a directory of the layer finds below itself. */
type Below =
  /** A directory that it merges with. */
  | 'directory'
  /** Nothing that shows: absent, or hidden by this layer. */
  | 'nothing'
  /** A symlink at it or above it, on whose far side its children really belong. */
  | 'symlink';

/**
 * Decides whether a layer, applied by itself, can stand on the chain below it. It cannot when it hard-links into that
 * chain, when a parent that it has no entry for is a symlink there, or when marks of it find nothing there. Throws `UNPACK_ENTRY_INVALID` when such a parent
 * is neither directory nor symlink.
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
      known.set(ancestor, look(ancestor, implied.get(ancestor), known, below, reasons));
    }
  }
  for (const path of facts.marked) if (known.get(path) === 'nothing') reasons.push({ kind: 'idle-marks', path });
  return reasons.length === 0 ? { kind: 'independent' } : { kind: 'needs-chain', reasons };
}

/** The path and its ancestors that have not been looked at, outermost first; the root is a directory in every layer. */
function unknownFromTop(path: ByteString, known: ReadonlyMap<ByteString, Below>): ByteString[] {
  const unknown: ByteString[] = [];
  for (let at = path; at !== '' && !known.has(at); at = parentPath(at)) unknown.push(at);
  return unknown.reverse();
}

function look(
  path: ByteString,
  implied: ImpliedDirectory | undefined,
  known: ReadonlyMap<ByteString, Below>,
  view: LowerView,
  reasons: ChainReason[],
): Below {
  const parent = known.get(parentPath(path)) ?? 'directory';
  if (parent !== 'directory') return parent;
  if (implied?.cut) return 'nothing';
  const node = view.lookup(path);
  if (node === undefined) return 'nothing';
  if (node.type === 'directory') return 'directory';
  // A directory that the layer has an entry for replaces whatever is below.
  if (implied === undefined) return 'nothing';
  if (node.type === 'symlink') {
    reasons.push({ kind: 'symlinked-parent', path, target: node.target ?? ('' as ByteString) });
    return 'symlink';
  }
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `place layer on those below: ${showByteString(path)}: expected a directory, got something else from a lower layer`,
    { context: { path: showByteString(path) } },
  );
}
