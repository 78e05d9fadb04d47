import { assertNever } from '../errors/index.ts';
import type { LowerView } from '../unpack/index.ts';
import { mountLayerImages, sweepLayerMounts, unmountLayerImage } from './mount-layer-image.ts';
import { mountSnapshot, unmountSnapshot } from './mount-overlay.ts';
import { planChain } from './plan-chain.ts';
import { prepareUpper } from './prepare-upper.ts';
import { probeLayerFormats } from './probe-layer-formats.ts';
import type { Checkpoint, SnapshotOperation, SnapshotOperations } from './types.ts';

/** The view of layer directories, topmost first, as the unpacker makes it. */
export type CreateLowerView = (lowers: readonly string[]) => LowerView;

/** The worker's side of `RunSnapshotOperation`: synchronous, may block on the disk, throws `SealiftError`. */
export function performSnapshotOperation(
  operation: SnapshotOperation,
  createLowerView: CreateLowerView,
  checkpoint?: Checkpoint,
): ReturnType<SnapshotOperations[keyof SnapshotOperations]> {
  switch (operation.kind) {
    case 'planChain':
      return planChain(operation.request.facts, createLowerView(operation.request.lowers));
    case 'prepareUpper':
      return prepareUpper(operation.request);
    case 'mountSnapshot':
      return mountSnapshot(operation.request);
    case 'unmountSnapshot':
      return unmountSnapshot(operation.request);
    case 'mountLayerImages':
      return mountLayerImages(operation.request, checkpoint);
    case 'unmountLayerImage':
      return unmountLayerImage(operation.request);
    case 'sweepLayerMounts':
      return sweepLayerMounts(operation.request);
    case 'probeLayerFormats':
      return probeLayerFormats(operation.request);
    default:
      return assertNever(operation, 'snapshot operation');
  }
}
