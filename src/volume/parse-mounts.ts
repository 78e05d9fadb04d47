/** A mount as /proc/self/mountinfo has it. */
export interface MountEntry {
  /** `253:1` */
  readonly deviceId: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
}

/** https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: in the order of mounting, a later one covers. */
export function parseMounts(mountinfo: string): readonly MountEntry[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , deviceId, , mountPoint] = before.split(' ');
    const [type, source] = after.split(' ');
    if (deviceId === undefined || mountPoint === undefined || type === undefined || source === undefined) return [];
    return [{ deviceId, mountPoint: unescapePath(mountPoint), type, source: unescapePath(source) }];
  });
}

/** What a path leads to when something is mounted on it. */
export function mountAt(mounts: readonly MountEntry[], mountPoint: string): MountEntry | undefined {
  return mounts.findLast((mount) => mount.mountPoint === mountPoint);
}

/** The kernel writes space, tab, newline and backslash as three octal digits (fs/proc_namespace.c, mangle). */
function unescapePath(escaped: string): string {
  return escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
