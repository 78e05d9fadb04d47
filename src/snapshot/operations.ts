import type { Checkpoint } from '../platform/index.ts';
import { mountLayerImages, sweepLayerMounts } from './mount-layer-image.ts';
import { mountSnapshot, unmountSnapshot } from './mount-overlay.ts';
import { planLayers } from './plan-layers.ts';
import { prepareUpper } from './prepare-upper.ts';
import { probeLayerFormats } from './probe-layer-formats.ts';
import type { SnapshotOperations } from './types.ts';

export function createSnapshotOperations(checkpoint?: Checkpoint): SnapshotOperations {
  return {
    planLayers,
    prepareUpper,
    mountSnapshot,
    unmountSnapshot,
    mountLayerImages: (request) => mountLayerImages(request, checkpoint),
    sweepLayerMounts,
    probeLayerFormats,
  };
}
