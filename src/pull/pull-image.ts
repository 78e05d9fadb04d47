import { closeSync, constants, openSync } from 'node:fs';
import type { PreparedBundle } from '../bundle/index.ts';
import { prefixError, SealiftError } from '../errors/index.ts';
import { formatPlatform, formatReference, isFileReference, type Platform } from '../oci/index.ts';
import type { Store } from '../store/index.ts';
import { describePull, type PullOutcome } from './describe-pull.ts';
import { droppedWarnings } from './dropped-warnings.ts';
import { diffIdKey } from './layer-format.ts';
import { evictionWarning, TYPICAL_EXPANSION } from './make-room.ts';
import { missingLayers } from './missing-layers.ts';
import { type NamedImage, withNamedImage } from './named-image.ts';
import type { PullPorts } from './ports.ts';
import { type PreparedImage, type PullShelf, prepareImage } from './prepare-image.ts';
import { type LayerChain, pullLayers } from './pull-layers.ts';
import { sweepStore } from './sweep-store.ts';
import type { PullRequest, PullResult, PullTarget } from './types.ts';
import { unpackImage } from './unpack-image.ts';

/** resolve → authorise → layers → mount → bundle. A denial is final; what is verified stays in the store. */
export async function pullImage(request: PullRequest, ports: PullPorts, signal: AbortSignal): Promise<PullResult> {
  const startedMs = ports.nowMs();
  const describe = (outcome: PullOutcome) => describePull(request, outcome, ports.platform, ports.nowMs() - startedMs);
  try {
    return await pullTo(request, ports, describe, signal);
  } catch (error) {
    throw prefixError(`pull ${request.reference}`, error);
  }
}

async function pullTo(
  { reference, target }: PullRequest,
  ports: PullPorts,
  describe: (outcome: PullOutcome) => PullResult,
  signal: AbortSignal,
): Promise<PullResult> {
  if (target.kind === 'unpack') return describe(await unpackImage(reference, target.directory, ports, signal));
  if (target.kind === 'bundle') assertLinux(ports.platform);
  const store = await ports.openStore();
  const lease = store.openLease();
  try {
    const shelf = { store, lease, layerFormat: await ports.chooseLayerFormat(store.dataDir) };
    const outcome =
      target.kind === 'bundle'
        ? await pullIntoBundle(reference, target, ports, shelf, signal)
        : await pullIntoStore(reference, ports, shelf, signal);
    return describe(outcome);
  } catch (error) {
    lease.release();
    await giveBackRoom(error, store);
    throw error;
  } finally {
    lease.release();
    if (ports.sweepsStore) await sweepStore(store, ports);
    await store.close();
  }
}

/** The image's own word is compared with the platform that was asked for. */
function assertLinux({ os: actual }: Platform): void {
  if (actual === 'linux') return;
  const message = `bundle: expected an image for linux, got one for ${actual}`;
  throw new SealiftError('BUNDLE_PLATFORM_UNSUPPORTED', message, { context: { expected: 'linux', actual } });
}

/** Layers that were finished before the store ran full are of no use to a pull that failed, and of use to others. */
async function giveBackRoom(error: unknown, store: Store): Promise<void> {
  if (!(error instanceof SealiftError) || error.code !== 'STORE_SPACE_EXHAUSTED') return;
  // The failure to report is the first one.
  await Promise.allSettled([store.prune({ all: false })]);
}

interface StoredOutcome extends PullOutcome {
  readonly chain: LayerChain;
}

function pullIntoStore(
  unsafeReference: string,
  ports: PullPorts,
  shelf: PullShelf,
  signal: AbortSignal,
): Promise<StoredOutcome> {
  const request = { unsafeReference, ports, scratchDir: shelf.store.dataDir, signal };
  return withNamedImage(request, (image) => storeImage(image, ports, shelf, signal));
}

async function storeImage(
  image: NamedImage,
  ports: PullPorts,
  shelf: PullShelf,
  signal: AbortSignal,
): Promise<StoredOutcome> {
  const prepared = await prepareImage(image, ports, shelf, signal);
  const { source, layers } = prepared;
  // Before there is a look at the space: what is here already must not be evicted for what is not.
  for (const { diffId } of layers) await shelf.lease.hold(diffIdKey(shelf.layerFormat, diffId), signal);
  const warnings = await assertSpace(prepared, ports, shelf);
  ports.onProgress({ type: 'stage', stage: 'layers' });
  const layerMounts = ports.openLayerMounts(shelf.store);
  const layerPorts = { ...ports, ...shelf, layerMounts, source, stage: stageWith(ports) };
  const chain = await pullLayers(prepared, layerPorts, signal);
  recordImage(prepared, chain, ports, shelf.store);
  return {
    prepared,
    fetches: chain.fetches,
    layerFormat: shelf.layerFormat.format,
    warnings: [...source.remarks(), ...warnings, ...droppedWarnings(chain.layers.map(({ record }) => record.facts))],
    chain,
  };
}

/** The image first: a name never leads to one that is not there. */
function recordImage({ image, via }: PreparedImage, chain: LayerChain, ports: PullPorts, store: Store): void {
  const { platform, checkpoint } = ports;
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

function stageWith({ pool }: PullPorts) {
  return pool.stage.bind(pool);
}

async function pullIntoBundle(
  unsafeReference: string,
  { directory, given }: Extract<PullTarget, { kind: 'bundle' }>,
  ports: PullPorts,
  shelf: PullShelf,
  signal: AbortSignal,
): Promise<PullOutcome> {
  const { runBundle } = ports;
  const { bundle } = await runBundle({ kind: 'prepare', directory, given });
  let heldFd: number | undefined;
  try {
    // Held from here on: whoever swaps the path meanwhile gets nothing mounted.
    heldFd = openSync(bundle.rootfs, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    ports.checkpoint('bundle-prepared');
    const outcome = await pullIntoStore(unsafeReference, ports, shelf, signal);
    const stripped = await mountBundle(outcome, bundle, heldFd, ports, shelf.store);
    return { ...outcome, warnings: [...outcome.warnings, ...stripped] };
  } catch (error) {
    await abandonBundle(bundle, ports);
    throw error;
  } finally {
    if (heldFd !== undefined) closeSync(heldFd);
  }
}

async function mountBundle(
  { prepared, chain }: { readonly prepared: PreparedImage; readonly chain: LayerChain },
  bundle: PreparedBundle,
  heldFd: number,
  ports: PullPorts,
  store: Store,
): Promise<readonly string[]> {
  const { onProgress, runBundle, limits, checkpoint } = ports;
  const snapshotter = ports.openSnapshotter(store);
  onProgress({ type: 'stage', stage: 'mount' });
  const imageDigest = prepared.image.manifestDigest;
  const { id } = await snapshotter.mount({
    layers: chain.layers,
    target: { path: bundle.rootfs, heldFd },
    imageDigest,
  });
  try {
    onProgress({ type: 'stage', stage: 'bundle' });
    store.settleUpper(id);
    const { config: imageConfig } = prepared;
    const written = await runBundle({ kind: 'write', bundle, imageConfig, rootfsReadonly: false, limits });
    checkpoint('config-written');
    return written.strippedLabels.map(
      (label) => `label ${label} is not passed on: runtimes take it for an instruction`,
    );
  } catch (error) {
    // What fails here in turn shows when the bundle is cleaned up; the first failure is the one to tell.
    await Promise.allSettled([snapshotter.unmount(bundle.rootfs)]);
    throw error;
  }
}

/** Leaves DIR as it was found. A failure here must not hide the one that led to it. */
async function abandonBundle(bundle: PreparedBundle, { runBundle, onProgress }: PullPorts): Promise<void> {
  const { directory, created: alsoDirectory, hasConfig: keepConfig } = bundle;
  const [removed] = await Promise.allSettled([runBundle({ kind: 'remove', directory, alsoDirectory, keepConfig })]);
  if (removed.status === 'rejected') {
    onProgress({ type: 'warning', message: `bundle ${directory} could not be cleaned up: ${removed.reason}` });
  }
}

async function assertSpace(
  { layers }: PreparedImage,
  { onProgress }: PullPorts,
  { store, layerFormat }: PullShelf,
): Promise<string[]> {
  const missing = await missingLayers(layers, layerFormat, store);
  const compressedBytes = missing.reduce((total, { descriptor }) => total + descriptor.size, 0);
  const estimatedBytes = compressedBytes * TYPICAL_EXPANSION;
  const { verdict, availableBytes, removal } = await store.checkSpace({ compressedBytes, estimatedBytes });
  const tight = `the layers may need ${estimatedBytes} bytes, ${availableBytes} are free in ${store.dataDir}`;
  const warnings = [evictionWarning(removal), verdict === 'tight' ? tight : undefined].filter(
    (message) => message !== undefined,
  );
  for (const message of warnings) onProgress({ type: 'warning', message });
  return warnings;
}
