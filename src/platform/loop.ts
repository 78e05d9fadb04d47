import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, ioctl } from './syscalls.ts';

/** Requests of https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/loop.h */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CLR_FD = 0x4c01;
const LOOP_GET_STATUS64 = 0x4c05;
const LOOP_CONFIGURE = 0x4c0a;

const LO_FLAGS = { READ_ONLY: 1, AUTOCLEAR: 4, DIRECT_IO: 16 } as const;

/** struct loop_info64: where its fields lie, and how long it is. */
const INFO = { device: 0, inode: 8, offset: 24, sizeLimit: 32, flags: 52, fileName: 56, bytes: 232 } as const;
const FILE_NAME_BYTES = 64;
/** struct loop_config: fd, block size, a loop_info64 and eight reserved words. */
const CONFIG = { fd: 0, blockSize: 4, info: 8, bytes: 304 } as const;

/** That of our images; direct I/O needs one that is not smaller than the sectors of the disk below. */
const BLOCK_BYTES = 4096;
/** Other processes take the free device first, one after the other. */
const MAX_TRIES = 200;
const MAX_PAUSE_MS = 20;

/** A file that a loop device shows. */
export interface Backing {
  readonly fd: number;
  /** Last component of its path. */
  readonly name: string;
  readonly device: bigint;
  readonly inode: bigint;
  /** How much of the file the device shows, a multiple of 4096; a verity tree may lie behind. */
  readonly bytes: number;
}

/** A loop device, held open: it lasts until the last descriptor of it and the last mount on it are gone. */
export interface AttachedLoop {
  readonly path: string;
  readonly fd: number;
  /** What the kernel made of our wish, which depends on the file system of the backing. */
  readonly directIo: boolean;
}

interface LoopStatus {
  readonly device: bigint;
  readonly inode: bigint;
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly flags: number;
}

/** Describes an open file; `bytes` defaults to its whole blocks. Throws `PLATFORM_CALL_FAILED` when it is too short. */
export function describeBacking(fd: number, path: string, bytes?: number): Backing {
  const { dev, ino, size } = fstatSync(fd, { bigint: true });
  const whole = Number(size) - (Number(size) % BLOCK_BYTES);
  const shown = bytes ?? whole;
  if (shown === 0 || shown > whole || shown % BLOCK_BYTES !== 0) {
    throw new SealiftError(
      'PLATFORM_CALL_FAILED',
      `attach ${path}: expected ${bytes === undefined ? 'at least one block' : `${bytes} bytes in whole blocks`} of ${BLOCK_BYTES} bytes, got a file of ${size}`,
      { context: { path, actual: Number(size) } },
    );
  }
  return { fd, name: basename(path), device: dev, inode: ino, bytes: shown };
}

/**
 * Shows the file read-only on a loop device: the one that shows it already, so that mounts of it share one superblock
 * and one page cache, or a free one, with direct I/O where the file system can. The caller closes its `fd`; a device
 * that nobody mounted is free again then. Throws `PLATFORM_CALL_FAILED`.
 */
export function attachLoop(backing: Backing, index = new LoopIndex()): AttachedLoop {
  const found = index.find(backing);
  if (found !== undefined) return found;
  const loop = attachFree(backing);
  index.add(backing.name, basename(loop.path));
  return loop;
}

/**
 * Which loop devices may show a file: by its name only, to leave other people's devices alone, since a path may be one
 * of another namespace or of a deleted file. Looks once, so that many files are attached without a look at all devices
 * for each; until it is given up, nobody else may attach them.
 */
export class LoopIndex {
  readonly #devices = new Map<string, string[]>();

  constructor() {
    for (const device of readdirSync('/sys/block').filter((name) => /^loop[0-9]+$/.test(name))) {
      const file = backingName(device);
      if (file !== undefined) this.add(file, device);
    }
  }

  add(file: string, device: string): void {
    const devices = this.#devices.get(file);
    if (devices === undefined) this.#devices.set(file, [device]);
    else devices.push(device);
  }

  find(backing: Backing): AttachedLoop | undefined {
    for (const device of this.#devices.get(backing.name) ?? []) {
      const found = openLoopOf(device, backing);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Undefined for a device that is free. */
function backingName(device: string): string | undefined {
  try {
    const path = readFileSync(`/sys/block/${device}/loop/backing_file`).toString('utf8').trimEnd();
    return basename(path.replace(/ \(deleted\)$/, ''));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENXIO' || errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
}

/** The loop device of this name, such as `loop3`, if it shows that file. The caller closes its `fd`. */
export function openLoopOf(name: string, backing: Backing): AttachedLoop | undefined {
  const path = `/dev/${name}`;
  const fd = openUnlessGone(path);
  if (fd === undefined) return undefined;
  // Looked at while it is open: from here on it can no longer be given to another file.
  const status = readStatus(fd);
  if (status !== undefined && shows(status, backing)) return { path, fd, directIo: hasFlag(status, 'DIRECT_IO') };
  closeSync(fd);
  return undefined;
}

function openUnlessGone(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (['ENOENT', 'ENXIO', 'ENODEV'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function shows(status: LoopStatus, backing: Backing): boolean {
  const { device, inode, bytes } = backing;
  return (
    status.device === device &&
    status.inode === inode &&
    status.offset === 0n &&
    status.sizeLimit === BigInt(bytes) &&
    hasFlag(status, 'READ_ONLY')
  );
}

function hasFlag(status: LoopStatus, flag: keyof typeof LO_FLAGS): boolean {
  return (status.flags & LO_FLAGS[flag]) !== 0;
}

/** Undefined for a device that shows nothing. */
function readStatus(fd: number): LoopStatus | undefined {
  const info = Buffer.alloc(INFO.bytes);
  try {
    ioctl(fd, LOOP_GET_STATUS64, info, 'LOOP_GET_STATUS64');
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') return undefined;
    throw error;
  }
  return {
    device: info.readBigUInt64LE(INFO.device),
    inode: info.readBigUInt64LE(INFO.inode),
    offset: info.readBigUInt64LE(INFO.offset),
    sizeLimit: info.readBigUInt64LE(INFO.sizeLimit),
    flags: info.readUInt32LE(INFO.flags),
  };
}

function attachFree(backing: Backing): AttachedLoop {
  const control = openSync('/dev/loop-control', constants.O_RDWR);
  try {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      const path = `/dev/loop${ioctl(control, LOOP_CTL_GET_FREE, null, 'LOOP_CTL_GET_FREE')}`;
      const loop = tryAttach(path, backing);
      if (loop !== undefined) return loop;
      pause(Math.min(attempt, MAX_PAUSE_MS));
    }
  } finally {
    closeSync(control);
  }
  throw new SealiftError(
    'PLATFORM_CALL_FAILED',
    `attach ${backing.name}: expected a free loop device, got none in ${MAX_TRIES} tries`,
    { context: { call: 'LOOP_CONFIGURE', errno: 'EBUSY' } },
  );
}

/** Undefined when another process has taken the device since it was free. */
function tryAttach(path: string, backing: Backing): AttachedLoop | undefined {
  const fd = openUnlessGone(path);
  if (fd === undefined) return undefined;
  try {
    configure(fd, backing);
  } catch (error) {
    closeSync(fd);
    if (errnoOf(error) === 'EBUSY') return undefined;
    throw error;
  }
  const status = readStatus(fd);
  if (status !== undefined && shows(status, backing)) return { path, fd, directIo: hasFlag(status, 'DIRECT_IO') };
  ioctl(fd, LOOP_CLR_FD, null, 'LOOP_CLR_FD');
  closeSync(fd);
  throw new SealiftError('PLATFORM_CALL_FAILED', `attach ${backing.name} to ${path}: it shows something else`);
}

/** Newer kernels leave direct I/O out by themselves where it cannot be; older ones may refuse. */
function configure(fd: number, backing: Backing): void {
  try {
    configureWith(fd, backing, LO_FLAGS.DIRECT_IO);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
    configureWith(fd, backing, 0);
  }
}

function configureWith(fd: number, backing: Backing, moreFlags: number): void {
  const config = Buffer.alloc(CONFIG.bytes);
  config.writeUInt32LE(backing.fd, CONFIG.fd);
  config.writeUInt32LE(BLOCK_BYTES, CONFIG.blockSize);
  config.writeBigUInt64LE(BigInt(backing.bytes), CONFIG.info + INFO.sizeLimit);
  config.writeUInt32LE(LO_FLAGS.READ_ONLY | LO_FLAGS.AUTOCLEAR | moreFlags, CONFIG.info + INFO.flags);
  config.write(backing.name, CONFIG.info + INFO.fileName, FILE_NAME_BYTES - 1);
  ioctl(fd, LOOP_CONFIGURE, config, 'LOOP_CONFIGURE');
}

/** Blocks the thread, as all of this does. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
