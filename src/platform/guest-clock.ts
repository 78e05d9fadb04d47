/**
 * The time of day in milliseconds since 1970, but never before `notBefore` (a date, or a time of RFC 3339). The host can
 * set the guest's clock, and so it could bring back keys and signatures that have expired.
 */
export function createGuestClock(notBefore: string, systemMs: () => number = () => Date.now()): () => number {
  const notBeforeMs = Date.parse(notBefore);
  return () => Math.max(systemMs(), notBeforeMs);
}
