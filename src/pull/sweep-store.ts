import type { MountState, UpperStore } from '../store/index.ts';
import type { PullPorts } from './ports.ts';

/**
 * Removes what finished containers left behind: their upper directories, and layer mounts that are no longer used. Runs
 * after the pull, so that no pull waits for it. A failure is a warning, and the next sweep tries again.
 */
export async function sweepStore(
  store: UpperStore & MountState,
  { onProgress, openLayerMounts }: Pick<PullPorts, 'onProgress' | 'openLayerMounts'>,
): Promise<void> {
  const sweeps = [() => store.sweepUppers(), () => openLayerMounts(store).sweep()];
  for (const sweep of sweeps) {
    const [swept] = await Promise.allSettled([sweep()]);
    if (swept.status === 'fulfilled') continue;
    onProgress({
      type: 'warning',
      message: `what finished containers left behind could not be removed: ${swept.reason}`,
    });
  }
}
