export { LARGER_STORE_HINT } from './check-space.ts';
export { countRecords } from './count-records.ts';
export { STORE_OPERATIONS } from './data-operations.ts';
export { openStore } from './open-store.ts';
export { mountState } from './store-context.ts';
export { storeStalled } from './store-stalled.ts';
export type {
  Eviction,
  EvictionNeed,
  ImageIndex,
  KnownLayer,
  Lease,
  MountState,
  Removal,
  RemovalTarget,
  SpaceFacts,
  Store,
  StoredLayer,
  StoreOperations,
  StoreSpace,
  UpperStore,
} from './types.ts';
