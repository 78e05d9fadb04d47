import type { Store } from '../store/index.ts';
import type { PullPorts } from './ports.ts';

/**
 * Takes away what containers have left that are gone: their uppers, and the layer images that nobody reads any more.
 * After the work, so that no pull waits for it; what fails is a warning, and tried again the next time.
 */
export async function sweepStore(
  store: Store,
  { onProgress, openLayerMounts }: Pick<PullPorts, 'onProgress' | 'openLayerMounts'>,
): Promise<void> {
  const sweeps = [() => store.sweepUppers(), () => openLayerMounts(store).sweep()];
  for (const sweep of sweeps) {
    const [swept] = await Promise.allSettled([sweep()]);
    if (swept.status === 'fulfilled') continue;
    onProgress({ type: 'warning', message: `left-overs of containers could not be removed: ${swept.reason}` });
  }
}
