import type { LayerSummary } from '../layer-facts/index.ts';
import { limitExceeded } from '../limits/index.ts';
import { measureLayerRecords } from './layer-record.ts';
import type { StoreContext } from './store-context.ts';

/**
 * Refuses path facts that do not fit beside the records of the other layers: how many layers there are is up to the
 * images. Throws `LAYER_LIMIT_EXCEEDED`.
 */
export function assertFactsFit({ options }: StoreContext, { paths }: LayerSummary): void {
  const { stateDir, limits } = options;
  const { maxStoreFactsBytes: expected } = limits;
  const actual = measureLayerRecords(stateDir) + (paths?.bytes ?? 0);
  if (actual <= expected) return;
  throw limitExceeded(`store ${stateDir}: bytes of layer records`, { limit: 'maxStoreFactsBytes', expected, actual });
}
