export { countRecords, type RecordCounts } from './count-records.ts';
export { openStore } from './open-store.ts';
export { performStoreOperation } from './perform-operation.ts';
export { mountShelf } from './store-context.ts';
export type {
  Checkpoint,
  Clock,
  Eviction,
  ImageRecord,
  KnownLayer,
  LayerBacking,
  LayerRecord,
  Lease,
  MountRecord,
  MountShelf,
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
  Upper,
} from './types.ts';
