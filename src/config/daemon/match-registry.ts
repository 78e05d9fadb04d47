/** docker.io has two names: the one in references and the one that is spoken to. */
const DOCKER_HUB = ['docker.io', 'index.docker.io'];

/** `Foo.bar.` → `foo.bar`; the pattern of everything stays `.`. */
export function normalizePattern(pattern: string): string {
  const lower = pattern.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '.') return true;
  return pattern.startsWith('.') ? host.endsWith(pattern) && host.length > pattern.length : host === pattern;
}

/** A literal is stronger than any suffix, a longer suffix than a shorter one. */
function strength(pattern: string): number {
  return pattern.startsWith('.') ? pattern.length : Number.POSITIVE_INFINITY;
}

/**
 * The pattern that holds for a registry, of normalised ones: `foo.bar` is that host, `.foo.bar` what lies below it, `.`
 * everything. A port is part of the host's name, so that only a literal with that port or `.` covers it.
 * https://docs.edgeless.systems/contrast/howto/registry-authentication
 */
export function matchRegistry(patterns: Iterable<string>, host: string): string | undefined {
  const name = normalizePattern(host);
  const names = DOCKER_HUB.includes(name) ? DOCKER_HUB : [name];
  let best: string | undefined;
  for (const pattern of patterns) {
    if (!names.some((each) => covers(pattern, each))) continue;
    if (best === undefined || strength(pattern) > strength(best)) best = pattern;
  }
  return best;
}
