import { assertNever } from '../errors/index.ts';
import { writeZerosDirect } from '../platform/index.ts';
import { assertSameDisk, claimDevice, identifyDevice } from './claim-device.ts';
import { inspectMapping } from './inspect-mapping.ts';
import { measureSpace } from './measure-space.ts';
import { mountMemory } from './mount-memory.ts';
import { isVolumeAlive, mountVolume } from './mount-volume.ts';
import { removeVolume } from './remove-volume.ts';
import type { VolumeOperation, VolumeOperations } from './types.ts';
import { deviceFailed } from './volume-failed.ts';

/** The worker's side of `RunVolumeOperation`: synchronous, may block on the disk, throws `SealiftError`. */
export function performVolumeOperation(
  operation: VolumeOperation,
): ReturnType<VolumeOperations[keyof VolumeOperations]> {
  switch (operation.kind) {
    case 'claimDevice':
      return claimDevice(operation.request);
    case 'identifyDevice':
      return identifyDevice(operation.request);
    case 'checkDevice':
      return assertSameDisk(operation.request.device);
    case 'inspectMapping':
      return inspectMapping(operation.request);
    case 'clearBlocks':
      return clearBlocks(operation.request);
    case 'mountVolume':
      return mountVolume(operation.request);
    case 'isVolumeAlive':
      return isVolumeAlive(operation.request);
    case 'removeVolume':
      return removeVolume(operation.request);
    case 'mountMemory':
      return mountMemory(operation.request);
    case 'measureSpace':
      return measureSpace(operation.request);
    default:
      return assertNever(operation, 'volume operation');
  }
}

function clearBlocks({ path, blocks }: { readonly path: string; readonly blocks: readonly number[] }): void {
  try {
    writeZerosDirect(path, blocks);
  } catch (error) {
    throw deviceFailed(`clear blocks of ${path}`, error);
  }
}
