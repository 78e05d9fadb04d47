import type { LayerFacts } from '../unpack/index.ts';
import type { LayerSummary, PathFactsExtent } from './types.ts';

/** Returns what the main thread needs to know of a layer. */
export function summarizeFacts(facts: LayerFacts, paths?: PathFactsExtent): LayerSummary {
  const { entries, contentBytes, dropped, implied, traversed, marked } = facts;
  const [unresolvedLink] = facts.unresolvedLinks;
  // The root is a directory in every layer, named or not.
  const isPlain = implied.every(({ path }) => path === '') && traversed.length === 0 && marked.length === 0;
  return {
    entries,
    contentBytes,
    dropped,
    isPlain,
    ...(unresolvedLink === undefined ? {} : { unresolvedLink }),
    ...(paths === undefined ? {} : { paths }),
  };
}
