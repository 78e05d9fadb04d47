import { ok } from './checks.ts';
import type { Check, Findings } from './types.ts';

/** No clock is right that says an earlier day: this program did not exist. Moved on with each release. */
export const EARLIEST_MS = Date.UTC(2026, 10, 27);

/** Certificates are told to be good from a few minutes before they were made. */
const MAX_SKEW_MS = 5 * 60 * 1_000;

const WHOSE = 'in a guest the clock is the host’s to set';

export function judgeClock({ clock: { nowMs, isSynchronized } }: Pick<Findings, 'clock'>): Check {
  const name = 'clock';
  const now = new Date(nowMs).toISOString();
  if (nowMs < EARLIEST_MS) {
    const detail = `${now} lies before this program was made: no certificate and no signature can be judged`;
    const remedy =
      'set the clock of this machine; in a guest look at that of the host, and at ptp_kvm or an NTP client';
    return { name, status: 'fail', detail, remedy };
  }
  const kept = { true: 'kept right by a time service', false: 'not kept right by anybody' } as const;
  const service = isSynchronized === undefined ? '' : `, ${kept[`${isSynchronized}`]}`;
  return ok(name, `${now}${service}; ${WHOSE}`);
}

/** Against what somebody else says, who may be wrong as well. */
export function judgeSkew(
  subject: string,
  { theirsMs, oursMs }: { readonly theirsMs: number; readonly oursMs: number },
) {
  const name = 'clock-skew';
  const seconds = Math.round((oursMs - theirsMs) / 1_000);
  const detail =
    seconds === 0 ? `as ${subject} has it` : `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${subject}`;
  if (Math.abs(oursMs - theirsMs) <= MAX_SKEW_MS) return { ...ok(name, detail), subject };
  const remedy = 'find out which of both clocks is wrong; certificates and tokens hold for a time';
  return { name, subject, status: 'warn', detail, remedy } satisfies Check;
}
