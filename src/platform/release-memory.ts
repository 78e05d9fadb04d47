import { collectLastGarbage } from './collect-garbage.ts';
import { trimHeap } from './syscalls.ts';

/**
 * Returns memory that V8 and malloc keep for later to the system. Takes about 50 ms: call it when the process is idle.
 */
export function releaseMemory(): void {
  collectLastGarbage();
  trimHeap();
}
