import { prefixError } from '../errors/index.ts';
import {
  type Digest,
  formatPlatform,
  formatRepositoryName,
  type ImageConfig,
  type ImageManifest,
  parseImageConfig,
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
    const resolved = await resolveImage({ source, reference, platform, limits, shelf: undefined, signal });
    return await show(view, reference, resolved, source, ports, signal);
  } catch (error) {
    throw prefixError(`inspect ${unsafeReference}`, error);
  }
}

async function show(
  view: InspectResult['view'],
  reference: Reference,
  resolved: ResolvedImage,
  source: ImageSource,
  { limits }: ImagePorts,
  signal: AbortSignal,
): Promise<InspectResult> {
  const { indexes, manifest, untrustedManifest } = resolved;
  const outermost = indexes[0] ?? manifest;
  if (view === 'raw') return { view, rawManifest: outermost.rawBytes };
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
