export { chooseLayerFormat, formatOnAnyKernel, type LayerFormatWish } from './choose-layer-format.ts';
export { createLayerMounts } from './layer-mounts.ts';
export { mountedUppers } from './mounted-elsewhere.ts';
export { createSnapshotOperations } from './operations.ts';
export { createSnapshotter } from './snapshotter.ts';
export type {
  ChosenLayerFormat,
  LayerFormatProbe,
  LayerLease,
  LayerMounts,
  SnapshotOperations,
  Snapshotter,
} from './types.ts';
