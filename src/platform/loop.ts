import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, ioctl } from './syscalls.ts';

/** Requests of https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/loop.h */
const LOOP_CTL_GET_FREE = { name: 'LOOP_CTL_GET_FREE', number: 0x4c82 } as const;
const LOOP_CLR_FD = { name: 'LOOP_CLR_FD', number: 0x4c01 } as const;
const LOOP_GET_STATUS64 = { name: 'LOOP_GET_STATUS64', number: 0x4c05 } as const;
const LOOP_CONFIGURE = { name: 'LOOP_CONFIGURE', number: 0x4c0a } as const;

const LO_FLAGS = { READ_ONLY: 1, AUTOCLEAR: 4, DIRECT_IO: 16 } as const;

/** struct loop_info64: the offsets of its fields, and its size. */
const INFO = { device: 0, inode: 8, offset: 24, sizeLimit: 32, flags: 52, fileName: 56, bytes: 232 } as const;
const FILE_NAME_BYTES = 64;
/** struct loop_config: fd, block size, a loop_info64 and eight reserved words; their offsets, and its size. */
const CONFIG = { fd: 0, blockSize: 4, info: 8, bytes: 304 } as const;

/** The block size of our images. Direct I/O needs one that is not smaller than the sectors of the disk below. */
const BLOCK_BYTES = 4096;
/** How often a free device is searched, since other processes may take it first. */
const MAX_TRIES = 200;
const MAX_PAUSE_MS = 20;

/** A file that a loop device shows, and how much of it. */
export interface BackingFile {
  readonly fd: number;
  /** The last component of its path. */
  readonly name: string;
  readonly device: bigint;
  readonly inode: bigint;
  /** How many bytes of the file the device shows, a multiple of 4096; a verity tree may follow them. */
  readonly bytes: number;
}

/** An open loop device. It exists until its last descriptor and the last mount of it are gone. */
export interface AttachedLoop {
  readonly path: string;
  readonly fd: number;
  /** True if the kernel uses direct I/O, which depends on the file system of the file. */
  readonly directIo: boolean;
}

interface LoopStatus {
  readonly device: bigint;
  readonly inode: bigint;
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly flags: number;
}

/**
 * Describes an open file; `bytes` defaults to all its whole blocks. Throws `PLATFORM_CALL_FAILED` when it is too short.
 */
export function describeBackingFile(fd: number, path: string, bytes?: number): BackingFile {
  const { dev, ino, size } = fstatSync(fd, { bigint: true });
  const whole = Number(size) - (Number(size) % BLOCK_BYTES);
  const shown = bytes ?? whole;
  if (shown === 0 || shown > whole || shown % BLOCK_BYTES !== 0) {
    throw new SealiftError(
      'PLATFORM_CALL_FAILED',
      `attach ${path}: expected ${bytes === undefined ? 'at least one block' : `${bytes} bytes in whole blocks`} of ${BLOCK_BYTES} bytes, got a file of ${size} bytes`,
      { context: { path, actual: Number(size) } },
    );
  }
  return { fd, name: basename(path), device: dev, inode: ino, bytes: shown };
}

/**
 * Shows the file read-only on a loop device: on the one that shows it already, so that its mounts share one superblock
 * and one page cache, else on a free one, with direct I/O if the file system supports it. The caller closes `fd`, which
 * frees a device that is not mounted. Throws `PLATFORM_CALL_FAILED`.
 */
export function attachLoop(backing: BackingFile, index = new LoopIndex()): AttachedLoop {
  const found = index.find(backing);
  if (found !== undefined) return found;
  const loop = attachFree(backing);
  index.add(backing.name, basename(loop.path));
  return loop;
}

/**
 * Finds the loop devices that may show a file by its name, so that devices of other programs are not opened. The path
 * is not compared, because a device may show one of another namespace or of a deleted file. All devices are listed
 * once, so that attaching many files is fast; while the index is in use, other processes must not attach these files.
 */
export class LoopIndex {
  readonly #devices = new Map<string, string[]>();

  constructor() {
    for (const device of readdirSync('/sys/block').filter((name) => /^loop[0-9]+$/.test(name))) {
      // Free devices, of which a machine may have a thousand, show no such folder; an error for each would cost more.
      if (statSync(`/sys/block/${device}/loop`, { throwIfNoEntry: false }) === undefined) continue;
      const file = backingName(device);
      if (file !== undefined) this.add(file, device);
    }
  }

  add(file: string, device: string): void {
    const devices = this.#devices.get(file);
    if (devices === undefined) this.#devices.set(file, [device]);
    else devices.push(device);
  }

  find(backing: BackingFile): AttachedLoop | undefined {
    for (const device of this.#devices.get(backing.name) ?? []) {
      const found = openLoopOf(device, backing);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Returns the name of the file that a device shows; undefined for a free device. */
function backingName(device: string): string | undefined {
  try {
    const path = readFileSync(`/sys/block/${device}/loop/backing_file`).toString('utf8').trimEnd();
    return basename(path.replace(/ \(deleted\)$/, ''));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENXIO' || errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
}

/** Opens the loop device of this name, such as `loop3`, if it shows that file. The caller closes its `fd`. */
export function openLoopOf(name: string, backing: BackingFile): AttachedLoop | undefined {
  const path = `/dev/${name}`;
  const fd = openUnlessGone(path);
  if (fd === undefined) return undefined;
  // While the device is open it cannot be given to another file, so that this check stays true.
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

function shows(status: LoopStatus, backing: BackingFile): boolean {
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

/** Reads what a device shows; undefined for a free device. */
function readStatus(fd: number): LoopStatus | undefined {
  const info = Buffer.alloc(INFO.bytes);
  try {
    ioctl(fd, LOOP_GET_STATUS64, info);
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

function attachFree(backing: BackingFile): AttachedLoop {
  const control = openSync('/dev/loop-control', constants.O_RDWR);
  try {
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      const path = `/dev/loop${ioctl(control, LOOP_CTL_GET_FREE, null)}`;
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

/** Attaches the file to a device; undefined when another process has taken the device. */
function tryAttach(path: string, backing: BackingFile): AttachedLoop | undefined {
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
  ioctl(fd, LOOP_CLR_FD, null);
  closeSync(fd);
  throw new SealiftError(
    'PLATFORM_CALL_FAILED',
    `attach ${backing.name} to ${path}: expected the device to show this file, got another one`,
  );
}

/** Configures a device. Where direct I/O is impossible, newer kernels ignore the flag and older ones may refuse it. */
function configure(fd: number, backing: BackingFile): void {
  try {
    configureWith(fd, backing, LO_FLAGS.DIRECT_IO);
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
    configureWith(fd, backing, 0);
  }
}

function configureWith(fd: number, backing: BackingFile, moreFlags: number): void {
  const config = Buffer.alloc(CONFIG.bytes);
  config.writeUInt32LE(backing.fd, CONFIG.fd);
  config.writeUInt32LE(BLOCK_BYTES, CONFIG.blockSize);
  config.writeBigUInt64LE(BigInt(backing.bytes), CONFIG.info + INFO.sizeLimit);
  config.writeUInt32LE(LO_FLAGS.READ_ONLY | LO_FLAGS.AUTOCLEAR | moreFlags, CONFIG.info + INFO.flags);
  config.write(backing.name, CONFIG.info + INFO.fileName, FILE_NAME_BYTES - 1);
  ioctl(fd, LOOP_CONFIGURE, config);
}

/** Blocks the thread, as every call in this file does. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
