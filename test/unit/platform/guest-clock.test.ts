import { describe, expect, it } from 'vitest';
import { createGuestClock } from '../../../src/platform/index.ts';

const at = (time: string) => () => Date.parse(time);

describe('the guest’s clock', () => {
  it.each([
    ['2026-12-01', '2027-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['2026-12-01', '2026-12-01T00:00:00Z', '2026-12-01T00:00:00Z'],
    ['2026-12-01', '2026-11-30T23:59:59Z', '2026-12-01T00:00:00Z'],
    ['2026-12-01T12:00:00Z', '1970-01-01T00:00:00Z', '2026-12-01T12:00:00Z'],
  ])('not before %s, at %s: shows %s', (notBefore, now, shown) => {
    expect(createGuestClock(notBefore, at(now))()).toBe(Date.parse(shown));
  });

  it('follows the clock of the system', () => {
    const before = Date.now();
    expect(createGuestClock('2026-12-01')()).toBeGreaterThanOrEqual(before);
  });
});
