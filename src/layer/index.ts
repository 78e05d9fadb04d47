export {
  type CallLane,
  type CallOptions,
  type LayerLine,
  type StageOptions,
  WorkerPool,
  type WorkerPoolOptions,
} from '../workers/worker-pool.ts';
export { canUseSyncHandle } from './decompress/index.ts';
export type { BlobOrigin, FileRange, LayerJob, LayerTarget, StagedLayer } from './types.ts';
