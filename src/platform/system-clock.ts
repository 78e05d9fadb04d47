import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from './types.ts';

export const SYSTEM_CLOCK: Clock = {
  // `performance` would load ten modules of Node.
  nowMs: () => process.uptime() * 1000,
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};
