export {
  chainLayerKey,
  formatLayerKey,
  isLayerKey,
  type LayerFormat,
  type LayerKeyParts,
  parseLayerKey,
} from './layer-key.ts';
export { openStore } from './open-store.ts';
export { performStoreOperation } from './perform-operation.ts';
export type {
  Checkpoint,
  Clock,
  KnownLayer,
  LayerKey,
  LayerRecord,
  MountRecord,
  RunStoreOperation,
  SpaceNeed,
  SpaceReport,
  Staging,
  Store,
  StoredLayer,
  StoreOperation,
  StoreOptions,
  Upper,
} from './types.ts';
