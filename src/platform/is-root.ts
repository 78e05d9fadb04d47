/** True if this process has root's effective user ID. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
