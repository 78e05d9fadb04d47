import { prefixError } from '../errors/index.ts';
import {
  type Digest,
  formatImagePlace,
  formatPlatform,
  type ImageConfig,
  type ImageManifest,
  type ImageReference,
  parseImageConfig,
  parseManifestDocument,
} from '../oci/index.ts';
import { firstDocumentName, type ImageBytes, type NamedImage, withNamedImage } from './named-image.ts';
import type { ImagePorts } from './ports.ts';
import { type ResolvedImage, resolveImage } from './resolve-image.ts';
import type { InspectResult, InspectSummary } from './types.ts';

/** Manifest and config only, no layer and no policy: nothing of it is run. */
export async function inspectImage(
  unsafeReference: string,
  view: InspectResult['view'],
  ports: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  try {
    const request = { unsafeReference, ports, scratchDir: undefined, signal };
    return await withNamedImage(request, (image) => inspect(image, view, ports, signal));
  } catch (error) {
    throw prefixError(`inspect ${unsafeReference}`, error);
  }
}

async function inspect(
  { reference, source }: NamedImage,
  view: InspectResult['view'],
  ports: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { platform, limits } = ports;
  if (view === 'raw') return fetchRaw(reference, source, ports, signal);
  const resolved = await resolveImage({ source, reference, platform, limits, shelf: undefined, signal });
  return show(view, reference, resolved, source, ports, signal);
}

/** The document itself, whatever machines an index is for. */
async function fetchRaw(
  reference: ImageReference,
  source: ImageBytes,
  { limits }: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { rawBytes, contentType } = await source.fetchManifest(firstDocumentName(reference), signal);
  parseManifestDocument(rawBytes, contentType, limits);
  return { view: 'raw', rawManifest: rawBytes };
}

async function show(
  view: Exclude<InspectResult['view'], 'raw'>,
  reference: ImageReference,
  resolved: ResolvedImage,
  source: ImageBytes,
  { limits }: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { indexes, manifest, untrustedManifest } = resolved;
  const rawConfig = await source.fetchSmallBlob(untrustedManifest.config, limits.maxConfigBytes, signal);
  const config = parseImageConfig(rawConfig, limits.maxJsonDepth);
  if (view === 'config') return { view, config: JSON.parse(Buffer.from(rawConfig).toString('utf8')) };
  const digests = { manifestDigest: manifest.digest, indexDigest: indexes[0]?.digest };
  return { view, summary: summarize(reference, untrustedManifest, config, digests) };
}

function summarize(
  reference: ImageReference,
  manifest: ImageManifest,
  config: ImageConfig,
  digests: { readonly manifestDigest: Digest; readonly indexDigest: Digest | undefined },
): InspectSummary {
  const { os, architecture, variant, created } = config;
  return {
    name: formatImagePlace(reference),
    ...digests,
    mediaType: manifest.mediaType,
    platform: formatPlatform({ os, architecture, variant }),
    created,
    configDigest: manifest.config.digest,
    layers: manifest.layers.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
    labels: config.config.labels,
  };
}
