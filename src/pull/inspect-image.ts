import { prefixError } from '../errors/index.ts';
import {
  formatImageLocation,
  formatPlatform,
  type ImageConfig,
  type ImageManifest,
  type ImageReference,
  parseImageConfig,
  parseManifestDocument,
  settlePlatform,
} from '../oci/index.ts';
import { firstDocumentName, type NamedImage, openNamedImage } from './named-image.ts';
import type { ImagePorts } from './ports.ts';
import { resolveImage } from './resolve-image.ts';
import type { InspectRequest, InspectResult, InspectSummary } from './types.ts';
import { configBound } from './verify-size.ts';

/**
 * Fetches manifest and config only: no layer is asked for and no policy, since nothing of the image is run. The view
 * `raw` is the document that the reference names, byte for byte.
 */
export async function inspectImage(
  { reference: unsafeReference, view }: InspectRequest,
  ports: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  try {
    await using image = await openNamedImage({ unsafeReference, ports, scratchDir: undefined, signal });
    return await (view === 'raw' ? fetchRaw(image, ports, signal) : show(view, image, { ports, signal }));
  } catch (error) {
    throw prefixError(`inspect ${unsafeReference}`, error);
  }
}

/** The document itself, whatever machines an index is for. */
async function fetchRaw(
  { reference, source }: NamedImage,
  { limits }: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { rawBytes, contentType } = await source.fetchManifest(firstDocumentName(reference), signal);
  parseManifestDocument(rawBytes, contentType, limits);
  return { view: 'raw', rawManifest: rawBytes };
}

async function show(
  view: Exclude<InspectResult['view'], 'raw'>,
  { reference, source }: NamedImage,
  { ports: { platform, limits }, signal }: { readonly ports: ImagePorts; readonly signal: AbortSignal },
): Promise<InspectResult> {
  const resolved = await resolveImage({ source, reference, platform, limits, documents: undefined, signal });
  const { indexes, manifest, untrustedManifest, listedPlatform } = resolved;
  const rawConfig = await source.fetchSmallBlob(untrustedManifest.config, configBound(limits), signal);
  const { config } = settlePlatform(parseImageConfig(rawConfig, limits.maxJsonDepth), platform, listedPlatform);
  if (view === 'config') return { view, config: JSON.parse(Buffer.from(rawConfig).toString('utf8')) };
  const digests = { manifestDigest: manifest.digest, indexDigest: indexes[0]?.digest };
  return { view, summary: summarize({ reference, manifest: untrustedManifest, config, digests }) };
}

interface InspectedDocuments {
  readonly reference: ImageReference;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly digests: Pick<InspectSummary, 'manifestDigest' | 'indexDigest'>;
}

function summarize({ reference, manifest, config, digests }: InspectedDocuments): InspectSummary {
  const { os, architecture, variant, created } = config;
  return {
    name: formatImageLocation(reference),
    ...digests,
    mediaType: manifest.mediaType,
    platform: formatPlatform({ os, architecture, variant }),
    created,
    configDigest: manifest.config.digest,
    layers: manifest.layers.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
    labels: config.config.labels,
  };
}
