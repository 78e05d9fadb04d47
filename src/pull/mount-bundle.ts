import type { BundleLock, PreparedBundle } from '../bundle/index.ts';
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
  /** Notes the config.json that the pull has written. */
  wrote(madeConfig: string | undefined): void;
  keep(): void;
}

/**
 * Makes the directories of a bundle, and locks them until the value is disposed of. Once the signal is aborted, another
 * pull into the directory waits for that; until then it is refused. Throws `BUNDLE_*` and `PULL_CANCELLED`.
 */
export async function holdBundle(
  target: Extract<PullTarget, { kind: 'bundle' }>,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<HeldBundle> {
  const { bundle, lock } = await lockedBundle(target, ports, signal);
  let madeConfig: string | undefined;
  let isKept = false;
  const dispose = async (): Promise<void> => {
    signal.removeEventListener('abort', lock.beginCleanUp);
    lock.beginCleanUp();
    if (!isKept) await abandonBundle(bundle, madeConfig, ports);
    lock.release();
  };
  try {
    const heldFd = await lock.beginWork(bundle.rootfs);
    signal.addEventListener('abort', lock.beginCleanUp, { once: true });
    if (signal.aborted) lock.beginCleanUp();
    return {
      bundle,
      heldFd,
      wrote: (config) => {
        madeConfig = config;
      },
      keep: () => {
        isKept = true;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function lockedBundle(
  { directory, given }: Extract<PullTarget, { kind: 'bundle' }>,
  { runBundle, lockBundle }: PullPorts,
  signal: AbortSignal,
): Promise<{ readonly bundle: PreparedBundle; readonly lock: BundleLock }> {
  for (;;) {
    const claimed = await runBundle('claim', { directory, given });
    const lock = await lockBundle(claimed.directory, signal);
    // Undefined: the last user of the directory has removed it.
    if (lock === undefined) continue;
    try {
      if (lock.identity === claimed.identity) return { bundle: await runBundle('prepare', { bundle: claimed }), lock };
    } catch (error) {
      lock.release();
      throw error;
    }
    lock.release();
  }
}

/** Mounts the image's root file system, then writes config.json. Returns warnings. */
export async function mountBundle(
  held: HeldBundle,
  { prepared, chain }: { readonly prepared: PreparedImage; readonly chain: LayerChain },
  { ports, storage: { store, lane }, signal }: StoringContext,
): Promise<readonly string[]> {
  const { onProgress, runBundle, limits, checkpoint } = ports;
  const { bundle, heldFd } = held;
  const snapshotter = ports.openSnapshotter(store);
  onProgress({ type: 'stage', stage: 'mount' });
  const { id } = await snapshotter.mount({
    layers: chain.layers,
    target: { path: bundle.rootfs, heldFd },
    imageDigest: prepared.image.manifestDigest,
    call: { lane, signal },
  });
  try {
    onProgress({ type: 'stage', stage: 'bundle' });
    store.settleUpper(id);
    const { config: imageConfig } = prepared;
    // Looking up the user can take a second. Without the signal: what it has written is known only when it ends.
    const written = await runBundle('write', { bundle, imageConfig, rootfsReadonly: false, limits }, { lane });
    held.wrote(written.madeConfig);
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
async function abandonBundle(
  bundle: PreparedBundle,
  madeConfig: string | undefined,
  { runBundle, onProgress }: PullPorts,
): Promise<void> {
  const [removed] = await Promise.allSettled([runBundle('abandon', { bundle, madeConfig })]);
  if (removed.status === 'fulfilled') return;
  const message = `bundle ${bundle.directory} could not be restored to what it was: ${removed.reason}`;
  onProgress({ type: 'warning', message });
}
