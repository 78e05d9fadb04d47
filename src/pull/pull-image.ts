import { prefixError, SealiftError } from '../errors/index.ts';
import { formatPlatform, formatReference, isFileReference, type Platform } from '../oci/index.ts';
import { describePull, droppedWarnings, type FinishedPull } from './describe-pull.ts';
import { diffIdKey } from './layer-format.ts';
import { assertSpace, giveBackRoom, recordWithRoom } from './make-room.ts';
import { holdBundle, mountBundle } from './mount-bundle.ts';
import { openNamedImage } from './named-image.ts';
import type { PullPorts } from './ports.ts';
import { type PreparedImage, prepareImage } from './prepare-image.ts';
import { openStorage, type StoringContext } from './pull-context.ts';
import { type LayerChain, pullLayers } from './pull-layers.ts';
import type { PullRequest, PullResult, PullTarget } from './types.ts';
import { unpackImage } from './unpack-image.ts';

/** resolve → authorise → layers → mount → bundle. A denial is final; verified layers stay in the store. */
export async function pullImage(request: PullRequest, ports: PullPorts, signal: AbortSignal): Promise<PullResult> {
  const startedMs = ports.nowMs();
  const { reference, target } = request;
  try {
    const outcome =
      target.kind === 'unpack'
        ? await unpackImage(reference, target.directory, { ports, storage: undefined, signal })
        : await pullIntoStore(reference, target, { ports, signal });
    return describePull(request, outcome, { platform: ports.platform, startedMs });
  } catch (error) {
    throw prefixError(`pull ${reference}`, error);
  }
}

async function pullIntoStore(
  unsafeReference: string,
  target: Exclude<PullTarget, { kind: 'unpack' }>,
  { ports, signal }: { readonly ports: PullPorts; readonly signal: AbortSignal },
): Promise<FinishedPull> {
  if (target.kind === 'bundle') assertLinux(ports.platform);
  await using storage = await openStorage(ports);
  const context = { ports, storage, signal };
  try {
    await using bundle = target.kind === 'bundle' ? await holdBundle(target, ports, signal) : undefined;
    if (bundle !== undefined) ports.checkpoint('bundle-prepared');
    const { prepared, chain, warnings } = await storeImage(unsafeReference, context);
    const stripped = bundle === undefined ? [] : await mountBundle(bundle, { prepared, chain }, context);
    return {
      prepared,
      fetches: chain.fetches,
      layerFormat: storage.layerFormat.format,
      warnings: [...warnings, ...stripped],
      finishedMs: ports.nowMs(),
    };
  } catch (error) {
    await giveBackRoom(error, { ...storage, onProgress: ports.onProgress });
    throw error;
  }
}

/** The image's own word is compared with the platform that was asked for. */
function assertLinux({ os: actual }: Platform): void {
  if (actual === 'linux') return;
  const message = `bundle: expected an image for linux, got one for ${actual}`;
  throw new SealiftError('BUNDLE_PLATFORM_UNSUPPORTED', message, { context: { expected: 'linux', actual } });
}

interface StoredImage {
  readonly prepared: PreparedImage;
  readonly chain: LayerChain;
  readonly warnings: readonly string[];
}

/** Brings an image into the store and gives it its name. */
async function storeImage(unsafeReference: string, context: StoringContext): Promise<StoredImage> {
  const { ports, storage, signal } = context;
  const scratchDir = storage.store.dataDir;
  await using image = await openNamedImage({ unsafeReference, ports, scratchDir, signal });
  const prepared = await prepareImage(image, context);
  // Before there is a look at the space: what is here already must not be evicted for what is not.
  for (const layer of prepared.layers) await storage.lease.hold(diffIdKey(storage.layerFormat, layer), signal);
  const warnings = await assertSpace(prepared.layers, context);
  ports.onProgress({ type: 'stage', stage: 'layers' });
  const chain = await pullLayers(prepared, context);
  await recordWithRoom(context, () => recordImage(prepared, chain, context));
  const dropped = droppedWarnings(chain.layers.map(({ record }) => record.facts));
  return {
    prepared,
    chain,
    warnings: [...image.source.remarks(), ...prepared.warnings, ...warnings, ...chain.warnings, ...dropped],
  };
}

/** The image first: a name never leads to one that is not there. */
function recordImage({ image, via }: PreparedImage, chain: LayerChain, { ports, storage }: StoringContext): void {
  const { platform, checkpoint } = ports;
  const { store } = storage;
  const { manifestDigest, manifest, reference } = image;
  store.putImage({
    manifestDigest,
    configDigest: manifest.config.digest,
    layerKeys: chain.layers.map(({ record }) => record.key),
    platform: formatPlatform(platform),
  });
  checkpoint('image-recorded');
  // A path says nothing lasting of what lies there: such an image is known by its digest.
  if (!isFileReference(reference)) store.putName(formatReference(reference), manifestDigest, via);
  checkpoint('name-written');
}
