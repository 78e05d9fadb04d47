/** True for the same bytes. They are no secrets: the time of a comparison says how far they agree. */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
