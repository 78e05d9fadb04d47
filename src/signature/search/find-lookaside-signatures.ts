import type { Digest } from '../../oci/index.ts';
import type { Evidence, LookasideStore, RawSignature, SignatureSearch } from '../types.ts';
import { failedSearch, joinEvidence, NO_EVIDENCE } from './evidence.ts';
import { parseSignatureBlob } from './parse-signature-blob.ts';

type StoreSearch = Pick<SignatureSearch, 'digests' | 'budget' | 'signal'>;

/** Looks for the simple signatures of an image in its lookaside store. */
export async function findLookasideSignatures(store: LookasideStore, search: StoreSearch): Promise<Evidence> {
  return joinEvidence(await Promise.all(search.digests.map((digest) => findFor(digest, store, search))));
}

/**
 * Reads signature 1, 2, … until one is not there. A failure ends the search for this manifest, and what was read before
 * counts: one good signature is enough.
 * https://github.com/containers/image/blob/v5.36.2/docs/signature-protocols.md#dockerdistribution-registriesseparate-storage
 */
async function findFor(digest: Digest, store: LookasideStore, search: StoreSearch): Promise<Evidence> {
  const { budget, signal } = search;
  const signatures: RawSignature[] = [];
  for (let position = 1; ; position += 1) {
    const location = store.locate(digest, position);
    const origin = location.href;
    try {
      const rawBytes = await store.fetchSignature(location, signal);
      if (rawBytes === undefined) {
        const remarks = position === 1 ? [`${origin} is not there`] : [];
        return { ...NO_EVIDENCE, signatures, remarks };
      }
      budget.take(rawBytes, origin);
      const blob = parseSignatureBlob(rawBytes);
      if (blob.kind === 'simple-signing') {
        signatures.push({ rawBytes: blob.message, mediaType: '', annotations: {}, origin });
      }
    } catch (error) {
      return joinEvidence([{ ...NO_EVIDENCE, signatures }, failedSearch(origin, error, signal)]);
    }
  }
}
