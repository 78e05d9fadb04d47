/** Compares major and minor numbers. A text that is no version counts as new: other checks try what it can do. */
export function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = /^([0-9]+)\.([0-9]+)/.exec(version)?.slice(1).map(Number) ?? [
    Number.POSITIVE_INFINITY,
  ];
  const [wantedMajor = 0, wantedMinor = 0] = than.split('.').map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}
