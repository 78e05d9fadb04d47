export type { WorkerStart } from './messages.ts';
export { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';
