/**
 * `key=value` words of /proc/cmdline; the last one of a key wins. No quoting, as the kata agent and
 * confidential-data-hub read it. An empty value unsets.
 */
export function parseKernelCommandLine(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const word of text.split(/\s+/)) {
    const equals = word.indexOf('=');
    if (equals > 0) values.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return new Map([...values].filter(([, value]) => value !== ''));
}
