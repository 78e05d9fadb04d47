export { countRecords, type RecordCounts } from './count-records.ts';
export { openStore } from './open-store.ts';
export { performStoreOperation } from './perform-operation.ts';
export { mountState } from './store-context.ts';
export type {
  Checkpoint,
  Clock,
  Eviction,
  ImageIndex,
  ImageRecord,
  KnownLayer,
  LayerBacking,
  LayerRecord,
  Lease,
  MountRecord,
  MountState,
  NameRecord,
  Removal,
  RemovalTarget,
  RunStoreOperation,
  SpaceFacts,
  SpaceNeed,
  SpaceReport,
  Staging,
  Store,
  StoredImage,
  StoredLayer,
  StoreOperation,
  StoreOptions,
  StoreSpace,
  Upper,
  UpperStore,
} from './types.ts';
