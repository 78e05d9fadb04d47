export interface MountPoint {
  readonly mountId: number;
  /** Unescaped, as seen from the process's root. */
  readonly mountPoint: string;
}

/** The kernel writes space, tab, newline and backslash as three octal digits (fs/proc_namespace.c, mangle). */
function unescapePath(escaped: string): string {
  return escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * Mount points of a /proc/PID/mountinfo text in the order of the text, which is the order of mounting.
 * https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
 */
export function parseMountinfo(text: string): readonly MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [mountId, , , , mountPoint] = line.split(' ');
    return mountId === undefined || mountPoint === undefined
      ? []
      : [{ mountId: Number(mountId), mountPoint: unescapePath(mountPoint) }];
  });
}

/** Mount points at `directory` and below it, the last mounted first: the order in which they can be unmounted. */
export function mountPointsUnder(mounts: readonly MountPoint[], directory: string): readonly string[] {
  return mounts
    .map((mount) => mount.mountPoint)
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}
