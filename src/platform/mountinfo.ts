import { readFileSync } from 'node:fs';

/** A mount as /proc/PID/mountinfo has it. */
export interface MountEntry {
  /** `253:1` */
  readonly deviceId: string;
  /** Unescaped, as seen from the process's root. */
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
}

/** Of this mount namespace, in the order of mounting: a later one covers. Reads procfs only. */
export function readMounts(): readonly MountEntry[] {
  // Not decoded while it is read: that way Node 26.10 writes past its buffer when one line, such as that of an overlay of
  // sixty layers, is longer than 8 KiB.
  return parseMountinfo(readFileSync('/proc/self/mountinfo').toString('utf8'));
}

/** https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html; lines that are no mounts are left out. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap((line) => {
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

/** Mount points at `directory` and below it, the last mounted first: the order in which they can be unmounted. */
export function mountPointsUnder(mounts: readonly MountEntry[], directory: string): readonly string[] {
  return mounts
    .map((mount) => mount.mountPoint)
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}

/** The kernel writes space, tab, newline and backslash as three octal digits (fs/proc_namespace.c, mangle). */
function unescapePath(escaped: string): string {
  return escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
