import { ok } from './checks.ts';
import type { Check, Findings } from './types.ts';

/** A clock with an earlier date is wrong: this program did not exist then. The date is updated with each release. */
export const EARLIEST_MS = Date.UTC(2026, 10, 27);

/** Certificates usually become valid a few minutes before they were made. */
const MAX_SKEW_MS = 5 * 60 * 1_000;

const WHOSE = 'in a guest the host sets the clock';

export function judgeClock({ clock: { nowMs, isSynchronized } }: Pick<Findings, 'clock'>): Check {
  const name = 'clock';
  const now = new Date(nowMs).toISOString();
  if (nowMs < EARLIEST_MS) {
    const detail = `${now} is earlier than the release of this program: no certificate and no signature can be verified`;
    const remedy =
      'set the clock of this machine; in a guest check the clock of the host, and ptp_kvm or an NTP client';
    return { name, status: 'fail', detail, remedy };
  }
  const kept = { true: 'synchronised by a time service', false: 'not synchronised by a time service' } as const;
  const service = isSynchronized === undefined ? '' : `, ${kept[`${isSynchronized}`]}`;
  return ok(name, `${now}${service}; ${WHOSE}`);
}

/** Compares this clock with that of another machine, which may be wrong as well. */
export function judgeSkew(
  subject: string,
  { theirsMs, oursMs }: { readonly theirsMs: number; readonly oursMs: number },
) {
  const name = 'clock-skew';
  const seconds = Math.round((oursMs - theirsMs) / 1_000);
  const detail =
    seconds === 0
      ? `the same time as ${subject}`
      : `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${subject}`;
  if (Math.abs(oursMs - theirsMs) <= MAX_SKEW_MS) return { ...ok(name, detail), subject };
  const remedy = 'find out which of the two clocks is wrong; certificates and tokens are valid for a limited time';
  return { name, subject, status: 'warn', detail, remedy } satisfies Check;
}
