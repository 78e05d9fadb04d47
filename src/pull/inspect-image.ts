import { prefixError } from '../errors/index.ts';
import {
  type Digest,
  formatPlatform,
  formatRepositoryName,
  type ImageConfig,
  type ImageManifest,
  parseImageConfig,
  parseManifestDocument,
  parseReference,
  type Reference,
  withDefaultTag,
} from '../oci/index.ts';
import type { ImageSource } from '../registry/index.ts';
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
    const reference = withDefaultTag(parseReference(unsafeReference));
    const source = ports.openSource(reference);
    const { platform, limits } = ports;
    if (view === 'raw') return await fetchRaw(reference, source, ports, signal);
    const resolved = await resolveImage({ source, reference, platform, limits, shelf: undefined, signal });
    return await show(view, reference, resolved, source, ports, signal);
  } catch (error) {
    throw prefixError(`inspect ${unsafeReference}`, error);
  }
}

/** The document itself, whatever machines an index is for. */
async function fetchRaw(
  { digest, tag = 'latest' }: Reference,
  source: ImageSource,
  { limits }: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { rawBytes, contentType } = await source.fetchManifest(digest ?? tag, signal);
  parseManifestDocument(rawBytes, contentType, limits);
  return { view: 'raw', rawManifest: rawBytes };
}

async function show(
  view: Exclude<InspectResult['view'], 'raw'>,
  reference: Reference,
  resolved: ResolvedImage,
  source: ImageSource,
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
  reference: Reference,
  manifest: ImageManifest,
  config: ImageConfig,
  digests: { readonly manifestDigest: Digest; readonly indexDigest: Digest | undefined },
): InspectSummary {
  const { os, architecture, variant, created } = config;
  return {
    name: formatRepositoryName(reference),
    ...digests,
    mediaType: manifest.mediaType,
    platform: formatPlatform({ os, architecture, variant }),
    created,
    configDigest: manifest.config.digest,
    layers: manifest.layers.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
    labels: config.config.labels,
  };
}
