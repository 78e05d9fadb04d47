import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import {
  closeFd,
  errnoOf,
  fsconfigCreate,
  fsconfigString,
  fsmount,
  fsopen,
  MNT,
  mount,
  moveMount,
  umount,
  withinDirectory,
} from '../platform/index.ts';
import { isOpaqueDirectory, layerNode } from './layer-node.ts';
import { mountFailed, unmountFailed } from './mount-failed.ts';
import { FIXED_OPTIONS, formatOverlayOptions, type OverlayDirectories } from './overlay-options.ts';
import { ROOT } from './path.ts';
import type { OverlayMount } from './types.ts';

/** FSCONFIG_SET_STRING copies no more than this, with the final NUL. */
const MAX_CONFIG_BYTES = 256;
/** Depending on the kernel, some settings take backslashes as escapes and some do not. */
const AMBIGUOUS = '\\';
const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
/** Errnos of a kernel, or of a seccomp filter, that lacks an interface. */
const INTERFACE_MISSING: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOSYS', 'EPERM', 'EOPNOTSUPP']);

/** A file system context, or the option text of mount(2), the only interface of older kernels. */
export type MountInterface = 'context' | 'options';

/** See {@link SnapshotOperations.mountSnapshot}. `first` is the interface to try first, for tests. */
export function mountSnapshot(request: OverlayMount, first: MountInterface = 'context'): void {
  const { upper, work, target } = request;
  const lowers = request.lowers.length > 0 ? untilOpaqueRoot(request.lowers) : [makeEmptyLower(work)];
  const fd = target.heldFd ?? openTarget(target.path);
  try {
    assertUnmoved(target.path, fd);
    // The path ends in a dot because move_mount would not follow a link, such as this one of procfs, at the very end.
    mountOn(`/proc/self/fd/${fd}/.`, { lowers, upper, work }, { shown: target.path, first });
  } finally {
    if (target.heldFd === undefined) closeSync(fd);
  }
}

/** Drops the layers below an opaque root, because overlayfs ignores opaque marks on the roots of layers. */
function untilOpaqueRoot(lowers: readonly string[]): readonly string[] {
  const opaque = lowers.findIndex((lower) => layerNode(lower, ROOT) === 'directory' && isOpaqueDirectory(lower, ROOT));
  return opaque < 0 ? lowers : lowers.slice(0, opaque + 1);
}

/** Creates an empty lower directory, because overlayfs needs at least one. */
function makeEmptyLower(work: string): string {
  const empty = join(dirname(work), 'empty');
  mkdirSync(empty, { mode: 0o755 });
  return empty;
}

function openTarget(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw mountFailed(`mount on ${path}: expected a directory and not a symlink`, error);
  }
}

/** Throws when the directory was moved or replaced since it was opened. Neither it nor its successor gets a mount. */
function assertUnmoved(path: string, fd: number): void {
  const held = fstatSync(fd, { bigint: true });
  const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (named?.dev === held.dev && named.ino === held.ino) return;
  throw new SealiftError(
    'SNAPSHOT_MOUNT_FAILED',
    `mount on ${path}: expected the directory that the pull began with (inode ${held.ino}), got ${
      named === undefined ? 'nothing' : `another one (inode ${named.ino})`
    }`,
    { hint: 'the bundle was removed or replaced during the pull; pull again', context: { path } },
  );
}

interface MountTry {
  /** The path of the mount point in messages. */
  readonly shown: string;
  readonly first: MountInterface;
}

function mountOn(mountPoint: string, directories: OverlayDirectories, { shown, first }: MountTry): void {
  const failures: unknown[] = [];
  for (const mountBy of first === 'context' ? [mountByContext, mountByOptions] : [mountByOptions]) {
    try {
      mountBy(mountPoint, directories);
      return;
    } catch (error) {
      failures.push(error);
      if (!INTERFACE_MISSING.has(errnoOf(error))) break;
    }
  }
  throw mountFailed(`mount overlay on ${shown}`, new AggregateError(failures, 'no interface of mount worked'));
}

/** Sets `lowerdir+` for each layer (Linux 6.5), so neither their number nor special characters in paths matter. */
function mountByContext(mountPoint: string, directories: OverlayDirectories): void {
  const opened: (() => void)[] = [];
  const keep = (fd: number, close: (fd: number) => void) => {
    opened.push(() => close(fd));
    return fd;
  };
  const nameable = (path: string) =>
    Buffer.byteLength(path) < MAX_CONFIG_BYTES && !path.includes(AMBIGUOUS)
      ? path
      : `/proc/self/fd/${keep(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), closeSync)}`;
  try {
    const context = keep(fsopen('overlay'), closeFd);
    fsconfigString(context, 'source', 'overlay');
    for (const [key, value] of FIXED_OPTIONS) fsconfigString(context, key, value);
    for (const lower of directories.lowers) fsconfigString(context, 'lowerdir+', nameable(lower));
    fsconfigString(context, 'upperdir', nameable(directories.upper));
    fsconfigString(context, 'workdir', nameable(directories.work));
    fsconfigCreate(context);
    moveMount(keep(fsmount(context), closeFd), mountPoint);
  } finally {
    for (const close of opened) close();
  }
}

/** Uses the paths when they fit into a page, because mountinfo shows them; otherwise the numbers of descriptors. */
function mountByOptions(mountPoint: string, directories: OverlayDirectories): void {
  const data = formatOverlayOptions(directories);
  if (data === undefined) mountByNumbers(mountPoint, directories);
  else mount({ source: 'overlay', target: mountPoint, type: 'overlay', data });
}

/**
 * Names each layer by the number of its descriptor, relative to the directory where the kernel shows descriptors: 500 of
 * these fit. The upper keeps its path, by which a mounted upper is recognised.
 */
function mountByNumbers(mountPoint: string, { lowers, upper, work }: OverlayDirectories): void {
  const fds: number[] = [];
  try {
    for (const lower of lowers) fds.push(openSync(lower, constants.O_RDONLY | constants.O_DIRECTORY));
    const data = formatOverlayOptions({ lowers: fds.map(String), upper, work });
    if (data === undefined) {
      throw new SealiftError(
        'SNAPSHOT_MOUNT_FAILED',
        `mount overlay: expected layers that fit into the page of mount(2), got ${lowers.length} layers`,
      );
    }
    withinDirectory('/proc/self/fd', () => mount({ source: 'overlay', target: mountPoint, type: 'overlay', data }));
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** See {@link SnapshotOperations.unmountSnapshot}. A mount that is not an overlay is left alone. */
export function unmountSnapshot(request: { readonly target: string }): boolean {
  const { target } = request;
  try {
    const { type } = statfsSync(target);
    if (type !== OVERLAYFS_SUPER_MAGIC) return false;
    umount(target, MNT.NOFOLLOW);
    return true;
  } catch (error) {
    // EINVAL: the path is inside an overlay, but is not its mount point.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EINVAL') return false;
    throw unmountFailed(target, error);
  }
}
