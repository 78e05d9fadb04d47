/** Docker Hub has two names: the one in references and the one that requests go to. */
const DOCKER_HUB = ['docker.io', 'index.docker.io'];

/** `Foo.bar.` → `foo.bar`; the pattern `.`, which matches every host, stays. */
export function normalizePattern(pattern: string): string {
  const lower = pattern.toLowerCase();
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '.') return true;
  return pattern.startsWith('.') ? host.endsWith(pattern) && host.length > pattern.length : host === pattern;
}

/** A literal wins over any suffix, and a longer suffix over a shorter one. */
function strength(pattern: string): number {
  return pattern.startsWith('.') ? pattern.length : Number.POSITIVE_INFINITY;
}

/**
 * Returns the normalised pattern that holds for a registry: `foo.bar` is that host, `.foo.bar` every host below it, `.`
 * every host. A port is part of the host's name: only a literal with that port or `.` covers it.
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
