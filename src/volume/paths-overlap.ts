/**
 * True if two absolute paths are the same, or one of them lies below the other. A slash at the end means nothing; apart
 * from that, the paths are in normal form.
 */
export function pathsOverlap(one: string, other: string): boolean {
  const [first, second] = [one, other].map((path) => `${path.replace(/\/+$/, '')}/`) as [string, string];
  return first.startsWith(second) || second.startsWith(first);
}
