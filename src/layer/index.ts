export { canUseSyncHandle, chooseInflate, type InflateMode } from './decompress/index.ts';
export { type CancellableWork, LayerLines, pullCancelled } from './layer-lines.ts';
export { PeerFailure } from './peer-failure.ts';
export type {
  AppliedLayer,
  ApplyTask,
  BlobOrigin,
  FetchedBlob,
  FetchHooks,
  FetchTask,
  FileRange,
  LayerJob,
  LayerLine,
  LayerStager,
  LayerTarget,
  LineThread,
  RunningTask,
  StagedLayer,
  StageOptions,
  TreeTask,
} from './types.ts';
export { createWindowTokenMemory, freeWindowToken } from './window-token.ts';
