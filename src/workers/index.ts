export { type CallLane, type CallOptions, WorkerPool } from './worker-pool.ts';
