/** Lowers the case of the host. Host names ignore case, paths do not. */
function foldHost(name: string): string {
  const slash = name.indexOf('/');
  return slash < 0 ? name.toLowerCase() : `${name.slice(0, slash).toLowerCase()}${name.slice(slash)}`;
}

function hostLength(name: string): number {
  const end = name.search(/[:/@]/);
  return end < 0 ? name.length : end;
}

/**
 * Returns the length of the part of `name` that the prefix of a rule matches; undefined: none. The rest must begin with
 * one of `:/@`, so a host matches with any port. `*.domain` matches a host below that domain, at any depth.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.conf.5.md#choosing-a-registry-toml-table
 */
export function matchPrefix(name: string, prefix: string): number | undefined {
  const folded = foldHost(name);
  if (prefix.startsWith('*.')) {
    const length = hostLength(folded);
    const suffix = prefix.slice(1).toLowerCase();
    return length > suffix.length && folded.slice(0, length).endsWith(suffix) ? length : undefined;
  }
  if (!folded.startsWith(foldHost(prefix))) return undefined;
  const next = folded.charAt(prefix.length);
  return next === '' || ':/@'.includes(next) ? prefix.length : undefined;
}
