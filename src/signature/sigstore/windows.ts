import type { ValidityWindow } from './trust-types.ts';

/** Both ends count. */
export function isWithin({ start, end }: ValidityWindow, at: Date): boolean {
  return (start === undefined || start <= at) && (end === undefined || at <= end);
}

/** Such as `from … to …`, for messages. */
export function describeWindow({ start, end }: ValidityWindow): string {
  const from = start === undefined ? [] : [`from ${start.toISOString()}`];
  const to = end === undefined ? [] : [`to ${end.toISOString()}`];
  return [...from, ...to].join(' ');
}
