import { formatImageLocation } from '../../oci/index.ts';
import type { Evidence, SignatureSearch } from '../types.ts';
import { NO_EVIDENCE } from './evidence.ts';
import { findReferringSignatures } from './find-referring-signatures.ts';
import { findTaggedSignatures } from './find-tagged-signatures.ts';

/**
 * Looks for the Sigstore signatures that are attached to an image, unless the configuration says that there are none: at
 * one endpoint after the other under the tag of cosign, and among what refers to the manifest or to its indexes.
 */
export async function* findSigstoreSignatures(search: SignatureSearch): AsyncGenerator<Evidence, void> {
  const { digests, sources } = search;
  if (!(await search.usesAttachments())) {
    const name = formatImageLocation(search.reference);
    yield { ...NO_EVIDENCE, remarks: [`registries.d has "use-sigstore-attachments: false" for ${name}`] };
    return;
  }
  const known = { tagged: new Set<string>(), referring: new Set<string>() };
  for (const source of sources) {
    const context = { ...search, source, known };
    // One list at a time is held: each may have several MiB.
    for (const digest of digests) yield await findTaggedSignatures(digest, context);
    for (const digest of digests) yield await findReferringSignatures(digest, context);
  }
}
