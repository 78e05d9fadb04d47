import ffi from 'node:ffi';
import { closeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { SealiftError } from '../errors/index.ts';
import { errnoOf } from './errno-of.ts';
import { readKernelLog } from './read-kernel-log.ts';
import { LOCK, NR, SUN_PATH, TIME_ERROR, TIMEX_BYTES } from './syscall-flags.ts';

export { errnoOf } from './errno-of.ts';
export { LOCK, MNT, MOUNT_ATTR, MS, O_PATH, S_IFMT } from './syscall-flags.ts';

const MFD_CLOEXEC = 1;
const MADV_PAGEOUT = 21;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;

/** A path without its NUL: text, or bytes where the path may not be UTF-8. */
export type SystemPath = string | Buffer;

const CLONE_FS = 0x200;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const O_CLOEXEC = 0o2000000;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_BENEATH = 0x08n;
const RESOLVE_IN_ROOT = 0x10n;
const FSOPEN_CLOEXEC = 1n;
const FSMOUNT_CLOEXEC = 1n;
const FSCONFIG = { SET_FLAG: 0n, SET_STRING: 1n, CMD_CREATE: 6n } as const;
const MOVE_MOUNT_F_EMPTY_PATH = 4n;

// ADR 0006 says why system calls go through node:ffi and why all are in this file,
// docs/adr/0006-system-calls-through-ffi.md.
const POINTER = 'pointer';
const openLibc = () =>
  ffi.dlopen(null, {
    __errno_location: { return: POINTER, arguments: [] },
    mount: { return: 'i32', arguments: [POINTER, POINTER, POINTER, 'u64', POINTER] },
    umount2: { return: 'i32', arguments: [POINTER, 'i32'] },
    mknod: { return: 'i32', arguments: [POINTER, 'u32', 'u64'] },
    lsetxattr: { return: 'i32', arguments: [POINTER, POINTER, POINTER, 'u64', 'i32'] },
    lgetxattr: { return: 'i64', arguments: [POINTER, POINTER, POINTER, 'u64'] },
    llistxattr: { return: 'i64', arguments: [POINTER, POINTER, 'u64'] },
    lremovexattr: { return: 'i32', arguments: [POINTER, POINTER] },
    flock: { return: 'i32', arguments: ['i32', 'i32'] },
    utimensat: { return: 'i32', arguments: ['i32', POINTER, POINTER, 'i32'] },
    futimens: { return: 'i32', arguments: ['i32', POINTER] },
    syncfs: { return: 'i32', arguments: ['i32'] },
    lseek: { return: 'i64', arguments: ['i32', 'i64', 'i32'] },
    madvise: { return: 'i32', arguments: [POINTER, 'u64', 'i32'] },
    unshare: { return: 'i32', arguments: ['i32'] },
    chdir: { return: 'i32', arguments: [POINTER] },
    fchdir: { return: 'i32', arguments: ['i32'] },
    close: { return: 'i32', arguments: ['i32'] },
    ioctl: { return: 'i32', arguments: ['i32', 'u64', POINTER] },
    fsetxattr: { return: 'i32', arguments: ['i32', POINTER, POINTER, 'u64', 'i32'] },
    memfd_create: { return: 'i32', arguments: [POINTER, 'u32'] },
    adjtimex: { return: 'i32', arguments: [POINTER] },
    socket: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
    sendto: { return: 'i64', arguments: ['i32', POINTER, 'u64', 'i32', POINTER, 'u32'] },
    syscall: { return: 'i64', arguments: ['i64', POINTER, POINTER, POINTER, POINTER, POINTER] },
  }).functions;
let openedLibc: ReturnType<typeof openLibc> | undefined;
/** Fetched once per thread: asking for the address after a failed call could overwrite errno. */
let errnoPointer = 0n;

/** Opened by a thread's first system call, because the daemon opens its socket without one. */
function libc(): ReturnType<typeof openLibc> {
  if (openedLibc !== undefined) return openedLibc;
  openedLibc = openLibc();
  errnoPointer = openedLibc.__errno_location();
  // A bundle loads the function at its first call, which would overwrite errno.
  ffi.getInt32(errnoPointer, 0);
  return openedLibc;
}

function cString(path: SystemPath): Buffer {
  const bytes = typeof path === 'string' ? Buffer.byteLength(path) : path.length;
  const terminated = Buffer.alloc(bytes + 1);
  if (typeof path === 'string') terminated.write(path);
  else path.copy(terminated);
  // With a NUL inside, the kernel would act on a shorter path than the one that was checked.
  if (terminated.indexOf(0) !== bytes) throw callFailed('cString', 'EINVAL', { path });
  return terminated;
}

interface CallDetails {
  readonly path?: SystemPath | undefined;
  readonly detail?: string;
}

function callFailed(call: string, errno: string, { path, detail = '' }: CallDetails = {}): SealiftError {
  const where = path === undefined ? '' : ` ${path.toString()}`;
  return new SealiftError('PLATFORM_CALL_FAILED', `${call}${where}: expected success, got ${errno}${detail}`, {
    context: path === undefined ? { call, errno } : { call, errno, path: path.toString() },
  });
}

/** Throws for a negative result. Must directly follow the call, because the next one overwrites errno. */
function check(result: number, call: string, path?: SystemPath): number {
  if (result < 0) throw callFailed(call, getSystemErrorName(-ffi.getInt32(errnoPointer, 0)), { path });
  return result;
}

/** mount(2); `data` has the comma-separated options of the file system. */
export function mount(options: {
  readonly source: string;
  readonly target: SystemPath;
  readonly type: string;
  readonly flags?: number;
  readonly data?: string;
}): void {
  const { source, target, type, flags = 0, data } = options;
  const optionText = data === undefined ? null : cString(data);
  check(libc().mount(cString(source), cString(target), cString(type), BigInt(flags), optionText), 'mount', target);
}

/** umount2(2) with flags of {@link MNT}. */
export function umount(target: SystemPath, flags = 0): void {
  check(libc().umount2(cString(target), flags), 'umount2', target);
}

/**
 * mknod(2): `mode` has type and permission bits; the umask applies. EINVAL when the numbers do not fit into a dev_t.
 */
export function mknod(
  path: SystemPath,
  mode: number,
  device: { readonly major: number; readonly minor: number },
): void {
  const { major, minor } = device;
  const [maj, min] = [BigInt(major), BigInt(minor)];
  const number = ((maj & 0xfffff000n) << 32n) | ((maj & 0xfffn) << 8n) | ((min & 0xffffff00n) << 12n) | (min & 0xffn);
  check(libc().mknod(cString(path), mode, number), 'mknod', path);
}

/** lsetxattr(2): creates or replaces; a symlink is not followed. */
export function lsetxattr(path: SystemPath, name: SystemPath, value: Uint8Array): void {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const length = BigInt(bytes.length);
  check(libc().lsetxattr(cString(path), cString(name), length === 0n ? null : bytes, length, 0), 'lsetxattr', path);
}

/** fsetxattr(2) on an open file, which may have no name. */
export function fsetxattr(fd: number, name: SystemPath, value: Buffer): void {
  check(libc().fsetxattr(fd, cString(name), value, sizeOf(value), 0), 'fsetxattr', name);
}

/** lgetxattr(2): undefined when the file has no such attribute, or the file system has no attributes. */
export function lgetxattr(path: SystemPath, name: SystemPath): Buffer | undefined {
  return readSized('lgetxattr', path, (room) => libc().lgetxattr(cString(path), cString(name), room, sizeOf(room)));
}

/** llistxattr(2): attribute names as bytes; an empty list when the file system has no attributes. */
export function llistxattr(path: SystemPath): Buffer[] {
  const list = readSized('llistxattr', path, (room) => libc().llistxattr(cString(path), room, sizeOf(room)));
  if (list === undefined) return [];
  const names: Buffer[] = [];
  for (let start = 0; start < list.length; ) {
    const end = list.indexOf(0, start);
    names.push(list.subarray(start, end));
    start = end + 1;
  }
  return names;
}

/** lremovexattr(2). */
export function lremovexattr(path: SystemPath, name: SystemPath): void {
  check(libc().lremovexattr(cString(path), cString(name)), 'lremovexattr', path);
}

const XATTR_ROOM = 256;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel. */
const XATTR_MAX_ROOM = 65_536;

function sizeOf(room: Buffer): bigint {
  return BigInt(room.length);
}

/** Undefined for what is absent, without an error in between: most files lack what they are asked for. */
function readSized(call: string, path: SystemPath, read: (room: Buffer) => bigint): Buffer | undefined {
  for (const size of [XATTR_ROOM, XATTR_MAX_ROOM]) {
    const room = Buffer.alloc(size);
    const length = Number(read(room));
    if (length >= 0) return room.subarray(0, length);
    const errno = getSystemErrorName(-ffi.getInt32(errnoPointer, 0));
    if (errno === 'ENODATA' || errno === 'ENOTSUP') return undefined;
    if (errno !== 'ERANGE' || size === XATTR_MAX_ROOM) throw callFailed(call, errno, { path });
  }
  throw callFailed(call, 'ERANGE', { path });
}

/** flock(2) with operations of {@link LOCK}. Without `LOCK.NB` it blocks the thread. */
export function flock(fd: number, operation: number): void {
  check(libc().flock(fd, operation), 'flock');
}

/** Takes a lock without waiting; returns false when another open file holds it. */
export function tryFlock(fd: number, mode: 'shared' | 'exclusive'): boolean {
  try {
    flock(fd, (mode === 'shared' ? LOCK.SH : LOCK.EX) | LOCK.NB);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return false;
    throw error;
  }
}

const timesBuffer = Buffer.alloc(32);

function fillTimes(seconds: number, nanoseconds: number): Buffer {
  const whole = BigInt(seconds);
  const part = BigInt(nanoseconds);
  timesBuffer.writeBigInt64LE(whole, 0);
  timesBuffer.writeBigInt64LE(part, 8);
  timesBuffer.writeBigInt64LE(whole, 16);
  timesBuffer.writeBigInt64LE(part, 24);
  return timesBuffer;
}

/** utimensat(2): sets atime and mtime to the nanosecond; a symlink is not followed. */
export function lutimes(path: SystemPath, seconds: number, nanoseconds: number): void {
  const times = fillTimes(seconds, nanoseconds);
  check(libc().utimensat(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path);
}

/** futimens(3): sets atime and mtime of an open file to the nanosecond. */
export function futimes(fd: number, seconds: number, nanoseconds: number): void {
  check(libc().futimens(fd, fillTimes(seconds, nanoseconds)), 'futimens');
}

/**
 * close(2), for descriptors that calls of this file opened: Node tracks those that node:fs opens and closes in a
 * worker.
 */
export function closeFd(fd: number): void {
  check(libc().close(fd), 'close');
}

/** memfd_create(2): opens an unnamed file that lies in memory. The caller closes it with {@link closeFd}. */
export function openMemoryFile(name: string): number {
  return check(libc().memfd_create(cString(name), MFD_CLOEXEC), 'memfd_create');
}

/** lseek(2); returns the new position. */
export function seek(fd: number, offset: number, whence: number): number {
  return check(Number(libc().lseek(fd, BigInt(offset), whence)), 'lseek');
}

/** An ioctl request; the name is for messages. */
export interface IoctlRequest {
  readonly name: string;
  readonly number: number;
}

/** ioctl(2); returns the result of the call. */
export function ioctl(fd: number, { name, number }: IoctlRequest, argument: Buffer | null): number {
  return check(libc().ioctl(fd, BigInt(number), argument), name);
}

/** syncfs(2): writes everything in the file system of `fd` to the disk. */
export function syncfs(fd: number): void {
  check(libc().syncfs(fd), 'syncfs');
}

/** madvise(2) MADV_PAGEOUT, since Linux 5.4: clean pages of files are dropped; anonymous ones go to swap. */
export function pageOut(address: bigint, bytes: bigint): void {
  check(libc().madvise(address, bytes, MADV_PAGEOUT), 'madvise');
}

/** unshare(2) CLONE_FS: from now on this thread has a root, working directory and umask of its own. */
export function leaveSharedFileSystem(): void {
  check(libc().unshare(CLONE_FS), 'unshare');
}

/** chdir(2) or fchdir(2); applies to every thread that shares its working directory with this one. */
export function changeDirectory(to: string | number): void {
  if (typeof to === 'number') check(libc().fchdir(to), 'fchdir');
  else check(libc().chdir(cString(to)), 'chdir', to);
}

type Word = bigint | Buffer | null;

function kernelCall(call: keyof typeof NR, words: readonly Word[], path?: SystemPath): number {
  const [first = null, second = null, third = null, fourth = null, fifth = null] = words;
  return check(Number(libc().syscall(NR[call], first, second, third, fourth, fifth)), call, path);
}

function word(value: number): bigint {
  return BigInt.asUintN(64, BigInt(value));
}

/**
 * openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: `rootFd` is the root directory for `..` and absolute
 * links. `flags` are those of open(2) without O_CREAT; O_CLOEXEC is added. The caller closes the descriptor.
 */
export function openInRoot(rootFd: number, path: SystemPath, flags: number): number {
  return openWithin(rootFd, path, { flags, resolve: RESOLVE_IN_ROOT });
}

/** The same with RESOLVE_BENEATH: a path or link that would leave `rootFd`, and any absolute link, is EXDEV. */
export function openBeneath(rootFd: number, path: SystemPath, flags: number): number {
  return openWithin(rootFd, path, { flags, resolve: RESOLVE_BENEATH });
}

interface OpenHow {
  readonly flags: number;
  readonly resolve: bigint;
}

function openWithin(rootFd: number, path: SystemPath, { flags, resolve }: OpenHow): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(resolve | RESOLVE_NO_MAGICLINKS, 16);
  return kernelCall('openat2', [word(rootFd), cString(path), how, word(how.length)], path);
}

/** fsopen(2): opens a file system context, which the caller closes. */
export function fsopen(type: string): number {
  return kernelCall('fsopen', [cString(type), FSOPEN_CLOEXEC], type);
}

/** fsconfig(2) FSCONFIG_SET_STRING, e.g. `lowerdir+` of overlayfs; the kernel takes at most 255 bytes of value. */
export function fsconfigString(fd: number, key: string, value: SystemPath): void {
  withKernelLog(fd, () =>
    kernelCall('fsconfig', [word(fd), FSCONFIG.SET_STRING, cString(key), cString(value), 0n], key),
  );
}

/** fsconfig(2) FSCONFIG_SET_FLAG, e.g. `ro`. */
export function fsconfigFlag(fd: number, key: string): void {
  withKernelLog(fd, () => kernelCall('fsconfig', [word(fd), FSCONFIG.SET_FLAG, cString(key), null, 0n], key));
}

/** fsconfig(2) FSCONFIG_CMD_CREATE: creates the superblock. */
export function fsconfigCreate(fd: number): void {
  withKernelLog(fd, () => kernelCall('fsconfig', [word(fd), FSCONFIG.CMD_CREATE, null, null, 0n]));
}

/** fsmount(2): returns a detached mount, which the caller closes; closing it before {@link moveMount} unmounts it. */
export function fsmount(fd: number, attributes = 0): number {
  return kernelCall('fsmount', [word(fd), FSMOUNT_CLOEXEC, word(attributes)]);
}

/** move_mount(2): attaches a detached mount at `target`; a symlink as its last component is not followed. */
export function moveMount(mountFd: number, target: SystemPath): void {
  const words = [word(mountFd), cString(''), word(AT_FDCWD), cString(target), MOVE_MOUNT_F_EMPTY_PATH];
  kernelCall('move_mount', words, target);
}

/** Adds to an error what the kernel wrote into the log of the file system context, which is read from `fd`. */
function withKernelLog(fd: number, call: () => void): void {
  try {
    call();
  } catch (error) {
    const log = readKernelLog(fd);
    const errno = errnoOf(error);
    if (log === '' || errno === undefined) throw error;
    throw callFailed('fsconfig', errno, { detail: ` (${log})` });
  }
}

/**
 * sendto(2): sends one datagram to a unix socket. An address that begins with NUL is in the abstract namespace.
 * `EINVAL` when the address is empty or too long.
 */
export function sendDatagram(address: Buffer, message: Buffer): void {
  const shown = address.toString().replaceAll('\0', '@');
  if (address.length === 0 || address.length > SUN_PATH.maxBytes) throw callFailed('sendto', 'EINVAL', { path: shown });
  const socketAddress = Buffer.alloc(SUN_PATH.offset + address.length);
  socketAddress.writeUInt16LE(AF_UNIX);
  address.copy(socketAddress, SUN_PATH.offset);
  const fd = check(libc().socket(AF_UNIX, SOCK_DGRAM | O_CLOEXEC, 0), 'socket', shown);
  try {
    const sent = libc().sendto(fd, message, BigInt(message.length), MSG_NOSIGNAL, socketAddress, socketAddress.length);
    check(Number(sent), 'sendto', shown);
  } finally {
    closeSync(fd);
  }
}

/** adjtimex(2) without changes: true if a program such as an NTP client has declared the clock synchronised. */
export function isClockSynchronized(): boolean {
  return check(libc().adjtimex(Buffer.alloc(TIMEX_BYTES)), 'adjtimex') !== TIME_ERROR;
}
