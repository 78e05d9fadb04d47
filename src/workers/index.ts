export type { WorkerStart } from './messages.ts';
export { WorkerPool } from './worker-pool.ts';
