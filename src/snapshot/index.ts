export { chooseLayerFormat } from './choose-layer-format.ts';
export { createLayerMounts, type LayerMountPorts } from './layer-mounts.ts';
export { mountedUppers } from './mounted-elsewhere.ts';
export { createSnapshotOperations } from './operations.ts';
export { createSnapshotter } from './snapshotter.ts';
export type {
  ChainPlan,
  ChainReason,
  ChosenLayerFormat,
  LayerFormatProbe,
  LayerLease,
  LayerLock,
  LayerMounts,
  LayerSweep,
  MountedLayerImage,
  MountedSnapshot,
  MountTarget,
  PreparedUpper,
  SnapshotLayer,
  SnapshotOperations,
  SnapshotRecord,
  SnapshotRequest,
  SnapshotStore,
  Snapshotter,
  SnapshotUpper,
} from './types.ts';
