import { readFileSync } from 'node:fs';

/** A mount, as /proc/PID/mountinfo lists it. */
export interface MountEntry {
  /** `253:1` */
  readonly deviceId: string;
  /** The unescaped path, as seen from the process's root. */
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
}

/**
 * Lists the mounts of this mount namespace, in the order of mounting: later ones cover earlier ones. Reads procfs only.
 */
export function readMounts(): readonly MountEntry[] {
  // Decoded after reading: with an encoding, readFileSync of Node 26.10 writes past its buffer when a line is longer
  // than 8 KiB, such as that of an overlay of sixty layers.
  return parseMountinfo(readFileSync('/proc/self/mountinfo').toString('utf8'));
}

/** https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html; lines of another form are ignored. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , deviceId, , mountPoint] = before.split(' ');
    const [type, source] = after.split(' ');
    if (deviceId === undefined || mountPoint === undefined || type === undefined || source === undefined) return [];
    return [{ deviceId, mountPoint: unescapePath(mountPoint), type, source: unescapePath(source) }];
  });
}

/** Returns the topmost mount on a path; undefined when nothing is mounted on it. */
export function mountAt(mounts: readonly MountEntry[], mountPoint: string): MountEntry | undefined {
  return mounts.findLast((mount) => mount.mountPoint === mountPoint);
}

/** Lists the mount points at and below `directory`, last mounted first: the order in which they can be unmounted. */
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
