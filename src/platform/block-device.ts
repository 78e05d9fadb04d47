import ffi from 'node:ffi';
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import type { DeviceNumber } from './dm-control.ts';
import { errnoOf, ioctl, mknod, S_IFMT } from './syscalls.ts';

/** https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/fs.h */
const BLKGETDISKSEQ = { name: 'BLKGETDISKSEQ', number: 0x80081280 } as const;
const SECTOR_BYTES = 512;
/** Direct I/O needs memory, offset and length in whole sectors; no sector is larger than this. */
const BLOCK_BYTES = 4096;

/** A block device as the kernel describes it in https://docs.kernel.org/ABI/stable/sysfs-block.html */
export interface BlockDevice {
  readonly number: DeviceNumber;
  /** The kernel's name, such as `vda`. */
  readonly name: string;
  /** `virtual`: made of other devices, files or memory, such as dm and loop devices. */
  readonly kind: 'disk' | 'partition' | 'virtual';
  readonly bytes: number;
  /** The size of a logical sector. */
  readonly sectorBytes: number;
  readonly isReadOnly: boolean;
  /** A number that no other disk has had since the machine started; undefined before Linux 5.15. */
  readonly diskseq: string | undefined;
  /** The names of the devices on top of this one, such as mappings. */
  readonly holders: readonly string[];
}

/** Returns `254:0`. */
export function formatDeviceNumber({ major, minor }: DeviceNumber): string {
  return `${major}:${minor}`;
}

/** Returns the device number of a block device's node; undefined for anything else. A symlink is not followed. */
export function findBlockDevice(path: string): DeviceNumber | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || !status.isBlockDevice()) return undefined;
  const { rdev } = status;
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
}

/** Describes a device; undefined when the kernel has none of this number. Reads sysfs only, so no disk can block it. */
export function describeBlockDevice(number: DeviceNumber): BlockDevice | undefined {
  const folder = unlessGone(() => realpathSync(`/sys/dev/block/${formatDeviceNumber(number)}`));
  if (folder === undefined) return undefined;
  // A partition has neither a queue nor a sequence number of its own.
  const isPartition = unlessGone(() => readFileSync(`${folder}/partition`)) !== undefined;
  const disk = isPartition ? `${folder}/..` : folder;
  const read = (path: string) => unlessGone(() => readFileSync(path, 'latin1').trim());
  return {
    number,
    name: basename(folder).replaceAll('!', '/'),
    kind: isPartition ? 'partition' : folder.startsWith('/sys/devices/virtual/') ? 'virtual' : 'disk',
    bytes: Number(read(`${folder}/size`) ?? 0) * SECTOR_BYTES,
    sectorBytes: Number(read(`${disk}/queue/logical_block_size`) ?? SECTOR_BYTES),
    isReadOnly: read(`${folder}/ro`) !== '0',
    diskseq: read(`${disk}/diskseq`),
    holders: unlessGone(() => readdirSync(`${folder}/holders`)) ?? [],
  };
}

function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/**
 * Returns the path of a device's node. devtmpfs creates it under the kernel's name; without devtmpfs it is created
 * here.
 */
export function blockDeviceNode({ name, number }: Pick<BlockDevice, 'name' | 'number'>): string {
  const path = `/dev/${name}`;
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mknod(path, S_IFMT.BLOCK | 0o600, number);
  const found = findBlockDevice(path);
  if (found !== undefined && formatDeviceNumber(found) === formatDeviceNumber(number)) return path;
  const actual = found === undefined ? 'no block device' : formatDeviceNumber(found);
  throw new SealiftError(
    'PLATFORM_CALL_FAILED',
    `device node ${path}: expected ${formatDeviceNumber(number)}, got ${actual}`,
  );
}

/** Reads the sequence number of an open disk, as text. */
export function readDiskseq(fd: number): string {
  const answer = Buffer.alloc(8);
  ioctl(fd, BLKGETDISKSEQ, answer);
  return answer.readBigUInt64LE().toString();
}

/** Reads one block of a device, bypassing the page cache: what the disk returns now. */
export function readDirect(path: string, block: number): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  try {
    const buffer = alignedBlock();
    const bytes = readSync(fd, buffer, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    return buffer.subarray(0, bytes);
  } finally {
    closeSync(fd);
  }
}

/** Writes zeros over blocks of 4096 bytes, bypassing the page cache: each is on the device, or this throws. */
export function writeZerosDirect(path: string, blocks: readonly number[]): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_DIRECT);
  try {
    const zeros = alignedBlock();
    for (const block of blocks) {
      const written = writeSync(fd, zeros, 0, BLOCK_BYTES, block * BLOCK_BYTES);
      if (written === BLOCK_BYTES) continue;
      throw new SealiftError('PLATFORM_CALL_FAILED', `pwrite ${path}: expected ${BLOCK_BYTES} bytes, got ${written}`);
    }
  } finally {
    closeSync(fd);
  }
}

function alignedBlock(): Buffer {
  // A buffer of this size lies outside of the garbage collector's heap and is never moved.
  const room = Buffer.alloc(2 * BLOCK_BYTES);
  const offset = BLOCK_BYTES - Number(ffi.getRawPointer(room) % BigInt(BLOCK_BYTES));
  return room.subarray(offset, offset + BLOCK_BYTES);
}
