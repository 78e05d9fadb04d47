import { type Digest, digestAlgorithm, digestHex, parseArtifactManifest } from '../../oci/index.ts';
import type { Evidence } from '../types.ts';
import { type AttachmentSearch, fetchTagged } from './attachment-search.ts';
import { failedSearch, NO_EVIDENCE } from './evidence.ts';
import { COSIGN_SIGNATURE, readSignatureLayers } from './read-signature-layers.ts';

/**
 * Looks for signatures under the tag that cosign derives from a digest. The manifest there need not name the image: the
 * signed text does.
 * https://github.com/sigstore/cosign/blob/v2.6.1/specs/SIGNATURE_SPEC.md#tag-based-discovery
 */
export async function findTaggedSignatures(digest: Digest, search: AttachmentSearch): Promise<Evidence> {
  const { source, limits, known, signal } = search;
  // A tag has 128 characters at most, so that there is none for sha512.
  if (digestAlgorithm(digest) !== 'sha256') return NO_EVIDENCE;
  const tag = `sha256-${digestHex(digest)}.sig`;
  const origin = `${source.name}:${tag}`;
  try {
    const document = await fetchTagged(tag, search);
    if (document === undefined) return { ...NO_EVIDENCE, remarks: [`${origin} is not there`] };
    if (known.tagged.has(document.digest)) return NO_EVIDENCE;
    const { layers = [] } = parseArtifactManifest(document.rawBytes, document.contentType, limits) ?? {};
    const signed = layers.filter(({ mediaType }) => mediaType === COSIGN_SIGNATURE);
    if (signed.length === 0) return { ...NO_EVIDENCE, remarks: [`${origin} holds no signature`] };
    const found = await readSignatureLayers(signed, origin, search);
    if (found.failures.length === 0) known.tagged.add(document.digest);
    return found;
  } catch (error) {
    return failedSearch(origin, error, signal);
  }
}
