export type { LayerJob, LayerTarget, StagedLayer } from './types.ts';
export type { WorkerHandle } from './worker-handle.ts';
export { type StageOptions, WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';
