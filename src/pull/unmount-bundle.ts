import type { BundleLock } from '../bundle/index.ts';
import { prefixError } from '../errors/index.ts';
import type { PullPorts } from './ports.ts';

/**
 * Undoes a bundle: unmounts its rootfs and what was mounted below it, trashes the upper, removes config.json and the
 * rootfs directory. Returns the mount points that were unmounted, the last mounted first. Throws `BUNDLE_INVALID` for a
 * directory that is no bundle, and for one that a pull works on.
 */
export async function unmountBundle(
  directory: string,
  ports: Pick<PullPorts, 'openStore' | 'openSnapshotter' | 'runBundle' | 'lockBundle' | 'runSnapshot'>,
  { keepConfig = false, signal }: { readonly keepConfig?: boolean; readonly signal?: AbortSignal } = {},
): Promise<readonly string[]> {
  const { runBundle, runSnapshot } = ports;
  let lock: BundleLock | undefined;
  try {
    // Examined twice: before the lock for the path, and with it for what is mounted.
    lock = await ports.lockBundle((await runBundle('examine', { directory })).directory, signal);
    const bundle = await runBundle('examine', { directory });
    const store = await ports.openStore();
    try {
      const inner = bundle.mountPoints.filter((mountPoint) => mountPoint !== bundle.rootfs);
      for (const target of inner) await runSnapshot('unmountSnapshot', { target });
      await ports.openSnapshotter(store).unmount(bundle.rootfs);
      await runBundle('remove', { directory: bundle.directory, keepConfig });
      return bundle.mountPoints;
    } finally {
      await store.close();
    }
  } catch (error) {
    throw prefixError(`umount ${directory}`, error);
  } finally {
    lock?.release();
  }
}
