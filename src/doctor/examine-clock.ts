import { existsSync } from 'node:fs';
import { attempt, isClockSynchronized } from '../platform/index.ts';
import type { ClockFacts } from './machine-types.ts';

/** https://www.freedesktop.org/software/systemd/man/latest/systemd-timesyncd.service.html#/run/systemd/timesync/synchronized */
const SYNCHRONIZED = '/run/systemd/timesync/synchronized';

/** See {@link DoctorOperations.examineClock}. */
export function examineClock(): ClockFacts {
  if (existsSync(SYNCHRONIZED)) return { isSynchronized: true };
  return { isSynchronized: attempt(isClockSynchronized).value };
}
