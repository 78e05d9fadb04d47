import type { SealiftError } from '../../errors/index.ts';
import type { Evidence } from '../types.ts';
import { failedSearch, joinEvidence, NO_EVIDENCE } from './evidence.ts';

/** How many are read at the same time: each may be a manifest of 4 MiB. */
const BATCH = 4;

export interface Reading<Item> {
  /** Throws when this item and those behind it are not to be read, because of a limit. */
  readonly admit: (item: Item) => void;
  readonly read: (item: Item) => Promise<Evidence>;
  readonly signal: AbortSignal;
}

/**
 * Reads what a list names, in its order. Entries that cannot be read do not hide the others, however many they are: a list
 * is bounded by `admit`. A limit and an endpoint that does not answer end it.
 */
export async function readInBatches<Item extends { readonly origin: string }>(
  items: readonly Item[],
  { admit, read, signal }: Reading<Item>,
): Promise<Evidence> {
  let known = NO_EVIDENCE;
  for (let start = 0; start < items.length && !isEnd(known); start += BATCH) {
    const admitted: Item[] = [];
    let refusal = NO_EVIDENCE;
    for (const item of items.slice(start, start + BATCH)) {
      refusal = attempt(() => admit(item), item.origin, signal);
      if (refusal.failures.length > 0) break;
      admitted.push(item);
    }
    known = joinEvidence([known, ...(await Promise.all(admitted.map(read))), refusal]);
  }
  return known;
}

function attempt(action: () => void, origin: string, signal: AbortSignal): Evidence {
  try {
    action();
    return NO_EVIDENCE;
  } catch (error) {
    return failedSearch(origin, error, signal);
  }
}

/** True when what follows would fail as well. */
export function isEnd({ failures }: Evidence): boolean {
  return failures.some(({ error }) => isDecisive(error));
}

function isDecisive({ code, kind, context }: SealiftError): boolean {
  // One signature that is too large says nothing about the others.
  return kind === 'unavailable' || (code === 'SIGNATURE_LIMIT_EXCEEDED' && context['limit'] !== 'maxSignatureBytes');
}
