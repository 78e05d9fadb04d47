import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from './types.ts';

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};
