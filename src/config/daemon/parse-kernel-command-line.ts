/**
 * Parses the `key=value` words of /proc/cmdline. The last word of a key wins, and an empty value unsets it. Quotes have
 * no meaning, as for the kata agent and confidential-data-hub.
 */
export function parseKernelCommandLine(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const word of text.split(/\s+/)) {
    const equals = word.indexOf('=');
    if (equals > 0) values.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return new Map([...values].filter(([, value]) => value !== ''));
}
