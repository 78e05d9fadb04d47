import { closeSync, constants, openSync } from 'node:fs';
import type { PreparedBundle } from '../bundle/index.ts';
import { prefixError } from '../errors/index.ts';
import { formatReference } from '../oci/index.ts';
import type { Store } from '../store/index.ts';
import { describePull, type PullOutcome } from './describe-pull.ts';
import { droppedWarnings } from './dropped-warnings.ts';
import { missingLayers } from './missing-layers.ts';
import type { PullPorts } from './ports.ts';
import { type PreparedImage, prepareImage } from './prepare-image.ts';
import { type LayerChain, pullLayers } from './pull-layers.ts';
import type { PullRequest, PullResult } from './types.ts';
import { unpackImage } from './unpack-image.ts';

/** Uncompressed layers are about this much larger than what is on the wire; only a warning hangs on it. */
const TYPICAL_EXPANSION = 3;

/** resolve → authorise → layers → mount → bundle. A denial is final; what is verified stays in the store. */
export async function pullImage(request: PullRequest, ports: PullPorts, signal: AbortSignal): Promise<PullResult> {
  const startedMs = ports.nowMs();
  try {
    const outcome = await pullTo(request, ports, signal);
    return describePull(request, outcome, ports.platform, ports.nowMs() - startedMs);
  } catch (error) {
    throw prefixError(`pull ${request.reference}`, error);
  }
}

async function pullTo(request: PullRequest, ports: PullPorts, signal: AbortSignal): Promise<PullOutcome> {
  const { reference, target } = request;
  if (target.kind === 'unpack') return unpackImage(reference, target.directory, ports, signal);
  const store = await ports.openStore();
  try {
    return target.kind === 'bundle'
      ? await pullIntoBundle(reference, target.directory, ports, store, signal)
      : await pullIntoStore(reference, ports, store, signal);
  } finally {
    await store.close();
  }
}

async function pullIntoStore(
  unsafeReference: string,
  ports: PullPorts,
  store: Store,
  signal: AbortSignal,
): Promise<PullOutcome & { readonly chain: LayerChain }> {
  const prepared = await prepareImage(unsafeReference, ports, store, signal);
  const warnings = await assertSpace(prepared, ports, store);
  ports.onProgress({ type: 'stage', stage: 'layers' });
  const { image, source } = prepared;
  const chain = await pullLayers(image, prepared.layers, { ...ports, source, store, stage: stageWith(ports) }, signal);
  store.putName(formatReference(image.reference), image.manifestDigest);
  return {
    prepared,
    fetches: chain.fetches,
    warnings: [...warnings, ...droppedWarnings(chain.layers.map(({ record }) => record.facts))],
    chain,
  };
}

function stageWith({ pool }: PullPorts) {
  return pool.stage.bind(pool);
}

async function pullIntoBundle(
  unsafeReference: string,
  directory: string,
  ports: PullPorts,
  store: Store,
  signal: AbortSignal,
): Promise<PullOutcome> {
  const { runBundle } = ports;
  const { bundle } = await runBundle({ kind: 'prepare', directory });
  // Held from here on: whoever swaps the path meanwhile gets nothing mounted.
  const heldFd = openSync(bundle.rootfs, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const outcome = await pullIntoStore(unsafeReference, ports, store, signal);
    const stripped = await mountBundle(outcome, bundle, heldFd, ports, store);
    return { ...outcome, warnings: [...outcome.warnings, ...stripped] };
  } catch (error) {
    await abandonBundle(bundle, ports);
    throw error;
  } finally {
    closeSync(heldFd);
  }
}

async function mountBundle(
  { prepared, chain }: { readonly prepared: PreparedImage; readonly chain: LayerChain },
  bundle: PreparedBundle,
  heldFd: number,
  ports: PullPorts,
  store: Store,
): Promise<readonly string[]> {
  const { onProgress, runBundle, limits } = ports;
  const snapshotter = ports.openSnapshotter(store);
  onProgress({ type: 'stage', stage: 'mount' });
  const imageDigest = prepared.image.manifestDigest;
  await snapshotter.mount({ layers: chain.layers, target: { path: bundle.rootfs, heldFd }, imageDigest });
  try {
    onProgress({ type: 'stage', stage: 'bundle' });
    const { config: imageConfig } = prepared;
    const written = await runBundle({ kind: 'write', bundle, imageConfig, rootfsReadonly: false, limits });
    return written.strippedLabels.map(
      (label) => `label ${label} is not passed on: runtimes take it for an instruction`,
    );
  } catch (error) {
    await snapshotter.unmount(bundle.rootfs);
    throw error;
  }
}

/** Leaves DIR as it was found. A failure here must not hide the one that led to it. */
async function abandonBundle(bundle: PreparedBundle, { runBundle, onProgress }: PullPorts): Promise<void> {
  const { directory, created: alsoDirectory } = bundle;
  const [removed] = await Promise.allSettled([runBundle({ kind: 'remove', directory, alsoDirectory })]);
  if (removed.status === 'rejected') {
    onProgress({ type: 'warning', message: `bundle ${directory} could not be cleaned up: ${removed.reason}` });
  }
}

async function assertSpace({ layers }: PreparedImage, { onProgress }: PullPorts, store: Store): Promise<string[]> {
  const missing = await missingLayers(layers, store);
  const compressedBytes = missing.reduce((total, { descriptor }) => total + descriptor.size, 0);
  const estimatedBytes = compressedBytes * TYPICAL_EXPANSION;
  const { verdict, availableBytes } = await store.checkSpace({ compressedBytes, estimatedBytes });
  if (verdict !== 'tight') return [];
  const message = `the layers may need ${estimatedBytes} bytes, ${availableBytes} are free in ${store.dataDir}`;
  onProgress({ type: 'warning', message });
  return [message];
}
