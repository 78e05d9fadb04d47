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

/** Of https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/fs.h */
const BLKGETDISKSEQ = 0x80081280;
const SECTOR_BYTES = 512;
/** Direct I/O wants memory, offset and length in whole sectors, of which none are larger. */
const BLOCK_BYTES = 4096;

/** A block device as the kernel describes it in https://docs.kernel.org/ABI/stable/sysfs-block.html */
export interface BlockDevice {
  readonly number: DeviceNumber;
  /** Such as `vda`. */
  readonly name: string;
  /** `virtual`: made of other devices, of files or of memory, such as dm and loop devices. */
  readonly kind: 'disk' | 'partition' | 'virtual';
  readonly bytes: number;
  /** Logical. */
  readonly sectorBytes: number;
  readonly isReadOnly: boolean;
  /** Of this disk and no other since the machine was started; undefined before Linux 5.15. */
  readonly diskseq: string | undefined;
  /** Names of the devices that are made of it. */
  readonly holders: readonly string[];
}

/** `254:0` */
export function formatDeviceNumber({ major, minor }: DeviceNumber): string {
  return `${major}:${minor}`;
}

/** The numbers of a block device's node; a symlink is not followed. Undefined for anything else. */
export function findBlockDevice(path: string): DeviceNumber | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || !status.isBlockDevice()) return undefined;
  const { rdev } = status;
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
}

/** Undefined when the kernel has no device of that number. Asks sysfs: no disk is waited for. */
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

/** The node of a device: devtmpfs makes it under the kernel's name, and a guest without makes do with one of ours. */
export function blockDeviceNode({ name, number }: Pick<BlockDevice, 'name' | 'number'>): string {
  const path = `/dev/${name}`;
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mknod(path, S_IFMT.BLOCK | 0o600, number);
  const found = findBlockDevice(path);
  if (found !== undefined && formatDeviceNumber(found) === formatDeviceNumber(number)) return path;
  const actual = found === undefined ? 'no block device' : formatDeviceNumber(found);
  throw new SealiftError('PLATFORM_CALL_FAILED', `${path}: expected ${formatDeviceNumber(number)}, got ${actual}`);
}

/** The sequence number of an open disk, as text. */
export function readDiskseq(fd: number): string {
  const answer = Buffer.alloc(8);
  ioctl(fd, BLKGETDISKSEQ, answer, 'BLKGETDISKSEQ');
  return answer.readBigUInt64LE().toString();
}

/** One block of a device, past the page cache: what the disk says now. */
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

/** Writes zeros over whole blocks of 4096 bytes, past the page cache: each is on the device or has failed. */
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
  // Memory outside of the garbage collector's heap, which stays where it is.
  const room = Buffer.alloc(2 * BLOCK_BYTES);
  const offset = BLOCK_BYTES - Number(ffi.getRawPointer(room) % BigInt(BLOCK_BYTES));
  return room.subarray(offset, offset + BLOCK_BYTES);
}
