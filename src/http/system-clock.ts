import { setTimeout as sleep } from 'node:timers/promises';
import type { TransportClock } from './types.ts';

export const SYSTEM_CLOCK: TransportClock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  random: () => Math.random(),
  sleep: (durationMs, signal) => sleep(durationMs, undefined, signal === undefined ? {} : { signal }),
};
