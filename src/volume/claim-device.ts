import { closeSync, constants, lstatSync, openSync, realpathSync } from 'node:fs';
import { type ErrorCode, SealiftError } from '../errors/index.ts';
import {
  type BlockDevice,
  blockDeviceNode,
  type DeviceNumber,
  describeBlockDevice,
  errnoOf,
  findBlockDevice,
  formatDeviceNumber,
  readDirect,
  readDiskseq,
} from '../platform/index.ts';
import type { DeviceFacts, ExpectedDevice, VolumeSource } from './types.ts';
import { deviceFailed } from './volume-failed.ts';

/** See `VolumeOperations.claimDevice`. */
export function claimDevice({ source }: { readonly source: VolumeSource }): DeviceFacts | undefined {
  const device = findDevice(source);
  if (device === undefined) return undefined;
  const action = `claim ${device.name} (${formatDeviceNumber(device.number)})`;
  assertWholeDisk(device, action);
  const diskseq = diskseqOf(device, action);
  try {
    const path = blockDeviceNode(device);
    assertUnused(path, diskseq, action);
    // A disk that fails or hangs does so here, where the failure cannot be mistaken for one of cryptsetup.
    readDirect(path, 0);
    const { number, bytes, sectorBytes } = device;
    return { deviceId: formatDeviceNumber(number), path, bytes, sectorBytes, diskseq };
  } catch (error) {
    throw deviceFailed(action, error);
  }
}

/** See `VolumeOperations.identifyDevice`. */
export function identifyDevice({ source }: { readonly source: VolumeSource }): ExpectedDevice | undefined {
  const device = findDevice(source);
  if (device === undefined) return undefined;
  const deviceId = formatDeviceNumber(device.number);
  return { deviceId, diskseq: diskseqOf(device, `identify ${deviceId}`) };
}

/** Throws `VOLUME_DEVICE_CHANGED` when another disk has the device number, or none. */
export function assertSameDisk({ deviceId, diskseq }: ExpectedDevice): void {
  const [major = 0, minor = 0] = deviceId.split(':').map(Number);
  const actual = describeBlockDevice({ major, minor })?.diskseq;
  if (actual === diskseq) return;
  throw new SealiftError(
    'VOLUME_DEVICE_CHANGED',
    `disk ${deviceId}: expected disk number ${diskseq}, got ${actual ?? 'none'}`,
    { context: { deviceId, expected: diskseq, actual: actual ?? 'none' } },
  );
}

function findDevice(source: VolumeSource): BlockDevice | undefined {
  switch (source.kind) {
    case 'deviceId':
      return describeBlockDevice(source);
    case 'devicePath':
      return findByPath(source.path);
    case 'nodes': {
      const path = source.paths.find((each) => lstatSync(each, { throwIfNoEntry: false }) !== undefined);
      return path === undefined ? undefined : findByPath(path);
    }
  }
}

/** Resolves the path to device numbers. All later steps use the numbers and never the path. */
function findByPath(path: string): BlockDevice | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return undefined;
  const action = `find the disk at ${path}`;
  const node = status.isSymbolicLink() ? resolveLink(path, action) : path;
  const number: DeviceNumber | undefined = findBlockDevice(node);
  if (number === undefined) throw invalid(action, { expected: 'a block device', actual: describeNode(node) });
  const device = describeBlockDevice(number);
  if (device !== undefined) return device;
  const actual = `${formatDeviceNumber(number)}, which the kernel does not know`;
  throw invalid(action, { expected: 'a device', actual });
}

/** The names that udev makes are links within /dev. A link that leaves /dev is not one of them, and is refused. */
function resolveLink(path: string, action: string): string {
  const expected = 'a link to a node in /dev';
  try {
    const target = realpathSync(path);
    if (target.startsWith('/dev/')) return target;
    throw invalid(action, { expected, actual: `one to ${target}` });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw invalid(action, { expected, actual: `one that cannot be resolved (${errnoOf(error)})` });
  }
}

function describeNode(path: string): string {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status?.isDirectory()) return 'a directory';
  if (status?.isFile()) return 'a file';
  return status?.isCharacterDevice() ? 'a character device' : 'something else';
}

function assertWholeDisk(device: BlockDevice, action: string): void {
  const { kind, isReadOnly, holders } = device;
  if (kind !== 'disk') throw invalid(action, { expected: 'a whole disk', actual: `a ${kind} device` });
  if (isReadOnly) throw invalid(action, { expected: 'a writable disk', actual: 'a read-only one' });
  if (holders.length > 0) {
    const mismatch = { expected: 'an unused disk', actual: `one used by ${holders}` };
    throw deviceError('VOLUME_DEVICE_BUSY', action, mismatch);
  }
}

function diskseqOf({ diskseq }: BlockDevice, action: string): string {
  if (diskseq !== undefined) return diskseq;
  throw invalid(action, { expected: 'a disk with a sequence number', actual: 'none (needs Linux 5.15 or later)' });
}

/** O_EXCL without O_CREAT succeeds only if the disk is not mounted, mapped or opened with O_EXCL by another program. */
function assertUnused(path: string, diskseq: string, action: string): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_EXCL);
  try {
    const actual = readDiskseq(fd);
    if (actual === diskseq) return;
    throw deviceError('VOLUME_DEVICE_CHANGED', action, { expected: `disk number ${diskseq}`, actual });
  } finally {
    closeSync(fd);
  }
}

interface Mismatch {
  readonly expected: string;
  readonly actual: string;
}

function invalid(action: string, mismatch: Mismatch): SealiftError {
  return deviceError('VOLUME_DEVICE_INVALID', action, mismatch);
}

function deviceError(code: ErrorCode, action: string, { expected, actual }: Mismatch): SealiftError {
  return new SealiftError(code, `${action}: expected ${expected}, got ${actual}`, { context: { expected, actual } });
}
