import { lstatSync, readFileSync, rmSync } from 'node:fs';
import {
  describeBlockDevice,
  errnoOf,
  findBlockDevice,
  formatDeviceNumber,
  type LiveMapping,
  readMapping,
  readMounts,
  removeMapping,
  umount,
} from '../platform/index.ts';
import { integrityName } from './inspect-mapping.ts';
import type { ExpectedDevice } from './types.ts';
import { cleanupFailed } from './volume-failed.ts';

/** Programs that examine new devices, such as blkid, keep them open for a moment. */
const BUSY_TRIES = 50;
const BUSY_PAUSE_MS = 20;
/** The prefix of the mapping through which cryptsetup formats dm-integrity. */
const TEMPORARY = /^temporary-cryptsetup-/;

/** See `VolumeOperations.removeVolume`. */
export function removeVolume(request: {
  readonly mapperName: string;
  readonly device: ExpectedDevice | undefined;
}): void {
  const { mapperName, device } = request;
  // A kernel without device-mapper has no mappings.
  if (lstatSync('/dev/mapper/control', { throwIfNoEntry: false }) === undefined) return;
  try {
    unmountAll(readMapping(mapperName));
    for (const name of [mapperName, integrityName(mapperName), ...temporaryMappings(device)]) removeWhole(name);
  } catch (error) {
    throw cleanupFailed(`remove ${mapperName}`, error);
  }
}

function unmountAll(mapping: LiveMapping | undefined): void {
  if (mapping === undefined) return;
  const deviceId = formatDeviceNumber(mapping.device);
  const mounts = readMounts().filter((each) => each.deviceId === deviceId);
  for (const { mountPoint } of mounts.reverse()) umount(mountPoint);
}

/** Returns only the mappings on this disk, because another image store may be under preparation. */
function temporaryMappings(device: ExpectedDevice | undefined): readonly string[] {
  const [major = 0, minor = 0] = device?.deviceId.split(':').map(Number) ?? [];
  const disk = describeBlockDevice({ major, minor });
  if (disk === undefined || disk.diskseq !== device?.diskseq) return [];
  return disk.holders
    .filter((name) => name.startsWith('dm-'))
    .map((name) => readFileSync(`/sys/block/${name}/dm/name`).toString('utf8').trimEnd())
    .filter((name) => TEMPORARY.test(name));
}

function removeWhole(name: string): void {
  const mapping = readMapping(name);
  if (mapping === undefined) return;
  for (let left = BUSY_TRIES; ; left -= 1) {
    try {
      removeMapping(name);
      break;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY' || left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS);
    }
  }
  removeNode(name, mapping);
}

/** Removes the node that cryptsetup created. Without udev, it would stay. */
function removeNode(name: string, { device }: LiveMapping): void {
  const path = `/dev/mapper/${name}`;
  const node = findBlockDevice(path);
  if (node !== undefined && formatDeviceNumber(node) === formatDeviceNumber(device)) rmSync(path, { force: true });
}
