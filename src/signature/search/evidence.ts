import { SealiftError } from '../../errors/index.ts';
import type { Evidence } from '../types.ts';

/** What is known before anything was looked for. */
export const NO_EVIDENCE: Evidence = { signatures: [], failures: [], remarks: [] };

export function joinEvidence(parts: readonly Evidence[]): Evidence {
  return {
    signatures: parts.flatMap(({ signatures }) => signatures),
    failures: parts.flatMap(({ failures }) => failures),
    remarks: parts.flatMap(({ remarks }) => remarks),
  };
}

/**
 * Turns the failure of a search into evidence. Throws it again when it says nothing about a location: a cancellation, or
 * a bug of Sealift.
 */
export function failedSearch(origin: string, error: unknown, signal: AbortSignal): Evidence {
  const isAboutLocation =
    error instanceof SealiftError && error.code !== 'INTERNAL' && error.code !== 'PULL_CANCELLED' && !signal.aborted;
  if (!isAboutLocation) throw error;
  return { ...NO_EVIDENCE, failures: [{ origin, error }] };
}
