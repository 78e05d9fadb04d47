import type { Digest } from '../../oci/index.ts';
import type { Evidence, SignatureSearch, SignatureSource } from '../types.ts';
import { failedSearch, joinEvidence, NO_EVIDENCE } from './evidence.ts';
import { parseSignatureList } from './parse-signature-list.ts';

type RegistrySearch = Pick<SignatureSearch, 'digests' | 'budget' | 'signal'>;

/** Asks one registry for the simple signatures that it keeps itself, if it does. */
export async function findRegistrySignatures(source: SignatureSource, search: RegistrySearch): Promise<Evidence> {
  return joinEvidence(await Promise.all(search.digests.map((digest) => findFor(digest, source, search))));
}

async function findFor(digest: Digest, source: SignatureSource, { budget, signal }: RegistrySearch): Promise<Evidence> {
  const origin = `${source.name}@${digest}`;
  const signatures: Evidence['signatures'][number][] = [];
  try {
    const rawList = await source.fetchSignatureList(digest, signal);
    const found = rawList === undefined ? [] : parseSignatureList(rawList, budget.maxSignatures);
    for (const [index, rawBytes] of found.entries()) {
      const name = `${origin}, signature ${index + 1} of the registry`;
      budget.take(rawBytes, name);
      signatures.push({ rawBytes, mediaType: '', annotations: {}, origin: name });
    }
    const remarks = found.length === 0 ? [`the registry of ${origin} keeps none`] : [];
    return { ...NO_EVIDENCE, signatures, remarks };
  } catch (error) {
    return joinEvidence([{ ...NO_EVIDENCE, signatures }, failedSearch(origin, error, signal)]);
  }
}
