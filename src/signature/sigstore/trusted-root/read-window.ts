import type { StrictObject } from '../strict-object.ts';
import type { ValidityWindow } from '../trust-types.ts';

/** RFC 3339 in UTC, as ProtoJSON writes it. */
const TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z$/;
const MILLISECOND_DIGITS = 3;

/**
 * Reads from when until when a key or authority counts. The beginning has to be there: without one a key would count for
 * all times before it was made.
 */
export function readWindow(object: StrictObject): ValidityWindow {
  const window = object.object('validFor', ['start', 'end']);
  const start = readTime(window, 'start');
  const end = window.has('end') ? readTime(window, 'end') : undefined;
  if (end !== undefined && end < start) window.refuse('end', 'expected a time that is not before the start');
  return { start, end };
}

/** Parts of a millisecond are cut off. */
function readTime(window: StrictObject, name: string): Date {
  const [, seconds = '', fraction = ''] = TIME.exec(window.text(name)) ?? [];
  const iso = `${seconds}.${fraction.slice(0, MILLISECOND_DIGITS).padEnd(MILLISECOND_DIGITS, '0')}Z`;
  const date = new Date(iso);
  // A date such as 31 February would become one in March.
  const isExact = !Number.isNaN(date.getTime()) && date.toISOString() === iso;
  return isExact ? date : window.refuse(name, 'expected a time such as 2026-01-31T12:00:00Z');
}
