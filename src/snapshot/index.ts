export { type CreateLowerView, performSnapshotOperation } from './perform-operation.ts';
export { createSnapshotter } from './snapshotter.ts';
export type {
  ChainPlan,
  ChainReason,
  MountedSnapshot,
  MountTarget,
  PreparedUpper,
  RunSnapshotOperation,
  SnapshotLayer,
  SnapshotOperation,
  SnapshotRecord,
  SnapshotRequest,
  SnapshotShelf,
  Snapshotter,
  SnapshotUpper,
} from './types.ts';
