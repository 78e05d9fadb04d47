import type { Descriptor } from '../../oci/index.ts';
import type { Evidence } from '../types.ts';
import type { AttachmentSearch } from './attachment-search.ts';
import { failedSearch, NO_EVIDENCE } from './evidence.ts';
import { readInBatches } from './read-in-batches.ts';

/** A layer with the text that cosign signed; signature, certificates and log entry are its annotations. */
export const COSIGN_SIGNATURE = 'application/vnd.dev.cosign.simplesigning.v1+json';

/**
 * How the types of Sigstore bundles begin, of version 0.3 and of the older ones with `;version=`. The verifier says which
 * versions it reads. https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto
 */
const BUNDLE = 'application/vnd.dev.sigstore.bundle';

export function isBundleType(mediaType: string): boolean {
  return mediaType.startsWith(BUNDLE);
}

interface Layer {
  readonly descriptor: Descriptor;
  readonly origin: string;
}

/** Reads the signatures in layers of the manifest that `manifestOrigin` names. Their size and digest are verified. */
export function readSignatureLayers(
  layers: readonly Descriptor[],
  manifestOrigin: string,
  search: AttachmentSearch,
): Promise<Evidence> {
  const { budget, limits, signal } = search;
  const named = layers.map((descriptor, index) => ({ descriptor, origin: `${manifestOrigin}, layer ${index + 1}` }));
  return readInBatches(named, {
    admit: ({ descriptor, origin }) => {
      // They count before they are fetched, so that no more than fits is held. Nothing is held of one that is too large.
      const isFetched = descriptor.size <= limits.maxSignatureBytes;
      budget.take({ length: isFetched ? heldBytes(descriptor) : 0 }, origin);
    },
    read: (layer) => readLayer(layer, search),
    signal,
  });
}

/** Annotations are held as long as the signature. */
function heldBytes({ size, annotations }: Descriptor): number {
  return Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, size);
}

async function readLayer(
  { descriptor, origin }: Layer,
  { source, limits, signal }: AttachmentSearch,
): Promise<Evidence> {
  const bound = { maxBytes: limits.maxSignatureBytes, limit: 'maxSignatureBytes', what: 'signature' } as const;
  try {
    const rawBytes = await source.fetchSmallBlob(descriptor, bound, signal);
    const { mediaType, annotations } = descriptor;
    return { ...NO_EVIDENCE, signatures: [{ rawBytes, mediaType, annotations, origin }] };
  } catch (error) {
    return failedSearch(origin, error, signal);
  }
}
