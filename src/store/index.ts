export { countRecords, type RecordCounts } from './count-records.ts';
export { STORE_OPERATIONS } from './data-operations.ts';
export { openStore } from './open-store.ts';
export { mountState } from './store-context.ts';
export { storeStalled } from './store-stalled.ts';
export type {
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
  SpaceFacts,
  SpaceNeed,
  SpaceReport,
  Staging,
  Store,
  StoredImage,
  StoredLayer,
  StoreOperations,
  StoreOptions,
  StoreSpace,
  Upper,
  UpperStore,
} from './types.ts';
