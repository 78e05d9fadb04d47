import type { Checkpoint } from '../platform/index.ts';
import type { LowerView } from '../unpack/index.ts';
import { mountLayerImages, sweepLayerMounts } from './mount-layer-image.ts';
import { mountSnapshot, unmountSnapshot } from './mount-overlay.ts';
import { planChain } from './plan-chain.ts';
import { prepareUpper } from './prepare-upper.ts';
import { probeLayerFormats } from './probe-layer-formats.ts';
import type { SnapshotOperations } from './types.ts';

/** Creates the view of layer directories, given topmost first; `unpack` provides it. */
export type CreateLowerView = (lowers: readonly string[]) => LowerView;

export interface SnapshotOperationPorts {
  readonly createLowerView: CreateLowerView;
  readonly checkpoint?: Checkpoint;
}

export function createSnapshotOperations({ createLowerView, checkpoint }: SnapshotOperationPorts): SnapshotOperations {
  return {
    planChain: ({ facts, lowers }) => planChain(facts, createLowerView(lowers)),
    prepareUpper,
    mountSnapshot,
    unmountSnapshot,
    mountLayerImages: (request) => mountLayerImages(request, checkpoint),
    sweepLayerMounts,
    probeLayerFormats,
  };
}
