import { writeZerosDirect } from '../platform/index.ts';
import { assertSameDisk, claimDevice, identifyDevice } from './claim-device.ts';
import { inspectMapping } from './inspect-mapping.ts';
import { measureSpace } from './measure-space.ts';
import { mountMemory } from './mount-memory.ts';
import { isVolumeAlive, mountVolume } from './mount-volume.ts';
import { removeVolume } from './remove-volume.ts';
import type { VolumeOperations } from './types.ts';
import { deviceFailed } from './volume-failed.ts';

export const VOLUME_OPERATIONS: VolumeOperations = {
  claimDevice,
  identifyDevice,
  checkDevice: ({ device }) => assertSameDisk(device),
  inspectMapping,
  clearBlocks,
  mountVolume,
  isVolumeAlive,
  removeVolume,
  mountMemory,
  measureSpace,
};

function clearBlocks({ path, blocks }: { readonly path: string; readonly blocks: readonly number[] }): void {
  try {
    writeZerosDirect(path, blocks);
  } catch (error) {
    throw deviceFailed(`clear blocks of ${path}`, error);
  }
}
