import { prefixError, SealiftError } from '../errors/index.ts';
import {
  type Descriptor,
  type Digest,
  type ImageConfig,
  type ImageLayer,
  layerCompression,
  matchDiffIds,
  normalizePlatform,
  type Platform,
  parseImageConfig,
} from '../oci/index.ts';
import { type AuthorizedImage, authoriseImage } from '../signature/index.ts';
import type { Lease, Store } from '../store/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { ImageBytes, NamedImage } from './named-image.ts';
import type { PullPorts } from './ports.ts';
import { resolveImage } from './resolve-image.ts';

/** An image that may run, all but its layers. */
export interface PreparedImage {
  readonly image: AuthorizedImage;
  /** Digests of the indexes that led to the manifest, outermost first. */
  readonly via: readonly Digest[];
  readonly config: ImageConfig;
  /** Bottom to top; every media type is one that can be unpacked. */
  readonly layers: readonly ImageLayer[];
  readonly source: ImageBytes;
}

/** The store, with what a pull keeps from being removed while it works. */
export interface PullShelf {
  readonly store: Store;
  readonly lease: Lease;
  /** Of the layers that are made now. */
  readonly layerFormat: LayerFormat;
}

/**
 * From the name that the user wrote to an authorised manifest and its verified config. No layer byte has been asked
 * for when this returns, and the store has learnt nothing before the gate opened.
 */
export async function prepareImage(
  { reference, source }: NamedImage,
  ports: PullPorts,
  shelf: PullShelf | undefined,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const { limits, platform, policy, onProgress, checkpoint } = ports;
  onProgress({ type: 'stage', stage: 'resolve' });
  const resolved = await resolveImage({ source, reference, platform, limits, shelf: shelf?.store, signal });
  checkpoint('image-resolved');
  onProgress({ type: 'stage', stage: 'authorize' });
  const { indexes, manifest } = resolved;
  const image = await authoriseImage(policy, { reference, indexes, manifest }, limits);
  ports.assertTransport(image);
  checkpoint('image-authorised');
  // Before the config is read: that of a signature or another artifact need not be one.
  for (const { mediaType } of image.manifest.layers) layerCompression(mediaType);
  const { digest: configDigest } = image.manifest.config;
  const via = indexes.map((index) => index.digest);
  for (const digest of [...via, manifest.digest, configDigest]) {
    await shelf?.lease.hold(digest, signal);
  }
  for (const document of [...indexes, manifest]) shelf?.store.putManifest(document.digest, document.rawBytes);
  const config = await obtainConfig(image.manifest.config, source, ports, shelf?.store, signal);
  checkpoint('documents-kept');
  assertPlatform(config, platform);
  return { image, via, config, layers: matchDiffIds(image.manifest, config), source };
}

async function obtainConfig(
  descriptor: Descriptor,
  source: ImageBytes,
  { limits }: PullPorts,
  store: Store | undefined,
  signal: AbortSignal,
): Promise<ImageConfig> {
  const known = store?.getConfig(descriptor.digest);
  const rawConfig = known ?? (await source.fetchSmallBlob(descriptor, limits.maxConfigBytes, signal));
  try {
    const config = parseImageConfig(rawConfig, limits.maxJsonDepth);
    if (known === undefined) store?.putConfig(descriptor.digest, rawConfig);
    return config;
  } catch (error) {
    throw prefixError(descriptor.digest, error);
  }
}

/** A manifest that no index has labelled says in its config what it runs on; an empty value says nothing. */
function assertPlatform(config: ImageConfig, wanted: Platform): void {
  const { os, architecture } = normalizePlatform({ ...config, variant: config.variant });
  const target = normalizePlatform(wanted);
  const fits = (actual: string, expected: string) => actual === '' || actual === expected;
  if (fits(os, target.os) && fits(architecture, target.architecture)) return;
  throw new SealiftError(
    'PLATFORM_NOT_FOUND',
    `image config: expected ${target.os}/${target.architecture}, got ${os}/${architecture}`,
    { context: { expected: `${target.os}/${target.architecture}`, actual: `${os}/${architecture}` } },
  );
}
