import { closeSync, constants, openSync } from 'node:fs';
import type { PreparedBundle } from '../bundle/index.ts';
import type { PullPorts } from './ports.ts';
import type { PreparedImage } from './prepare-image.ts';
import type { StoringContext } from './pull-context.ts';
import type { LayerChain } from './pull-layers.ts';
import type { PullTarget } from './types.ts';

/** The bundle that a pull fills. Disposing leaves DIR as it was found, unless the pull kept what it made; never throws. */
export interface HeldBundle extends AsyncDisposable {
  readonly bundle: PreparedBundle;
  /** The rootfs, open from the start: if its path is swapped meanwhile, nothing is mounted on what took its name. */
  readonly heldFd: number;
  keep(): void;
}

/** Makes the directories of a bundle. Throws `BUNDLE_*`. */
export async function holdBundle(
  { directory, given }: Extract<PullTarget, { kind: 'bundle' }>,
  ports: PullPorts,
): Promise<HeldBundle> {
  const bundle = await ports.runBundle('prepare', { directory, given });
  let heldFd: number;
  try {
    heldFd = openSync(bundle.rootfs, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    await abandonBundle(bundle, ports);
    throw error;
  }
  let isKept = false;
  return {
    bundle,
    heldFd,
    keep: () => {
      isKept = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (!isKept) await abandonBundle(bundle, ports);
      closeSync(heldFd);
    },
  };
}

/** Mounts the image's root file system, then writes config.json. Returns warnings. */
export async function mountBundle(
  held: HeldBundle,
  { prepared, chain }: { readonly prepared: PreparedImage; readonly chain: LayerChain },
  { ports, storage: { store } }: StoringContext,
): Promise<readonly string[]> {
  const { onProgress, runBundle, limits, checkpoint } = ports;
  const { bundle, heldFd } = held;
  const snapshotter = ports.openSnapshotter(store);
  onProgress({ type: 'stage', stage: 'mount' });
  const { id } = await snapshotter.mount({
    layers: chain.layers,
    target: { path: bundle.rootfs, heldFd },
    imageDigest: prepared.image.manifestDigest,
  });
  try {
    onProgress({ type: 'stage', stage: 'bundle' });
    store.settleUpper(id);
    const { config: imageConfig } = prepared;
    const written = await runBundle('write', { bundle, imageConfig, rootfsReadonly: false, limits });
    checkpoint('config-written');
    held.keep();
    return written.strippedLabels.map(
      (label) => `label ${label} is not passed on: container runtimes would treat it as an instruction`,
    );
  } catch (error) {
    // A failure here shows when the bundle is cleaned up; the first one is the one to report.
    await Promise.allSettled([snapshotter.unmount(bundle.rootfs)]);
    throw error;
  }
}

/** Leaves DIR as it was found. A failure here must not hide the one that led to it. */
async function abandonBundle(bundle: PreparedBundle, { runBundle, onProgress }: PullPorts): Promise<void> {
  const { directory, created: alsoDirectory, hasConfig: keepConfig } = bundle;
  const [removed] = await Promise.allSettled([runBundle('remove', { directory, alsoDirectory, keepConfig })]);
  if (removed.status === 'rejected') {
    onProgress({
      type: 'warning',
      message: `bundle ${directory} could not be restored to what it was: ${removed.reason}`,
    });
  }
}
