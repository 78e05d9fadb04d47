import { join } from 'node:path';
import type { DaemonConfiguration } from '../config/index.ts';
import type { VolumesSettings } from '../volume/index.ts';

/** The name of the image store's mapping. A mapping with this name is Sealift's. */
const MAPPER_NAME = 'sealift-image-store';

interface VolumeLimits {
  readonly volumeTimeoutMs: number;
  readonly maxMountedVolumes: number;
}

/** Returns how the disks of the image store and of containers are prepared, and found again. */
export function volumesSettings(
  { volume, store }: DaemonConfiguration,
  { volumeTimeoutMs: timeoutMs, maxMountedVolumes }: VolumeLimits,
  bootId: string,
): VolumesSettings {
  return {
    imageStore: {
      purpose: 'imageStore',
      integrity: volume.integrity.value,
      required: volume.required.value,
      waitMs: volume.waitMs.value,
      stateDir: join(store.state.value, 'volume'),
      mapperName: MAPPER_NAME,
      memory: { mountPoint: volume.memoryMountPoint.value, size: volume.memorySize.value },
      bootId,
      timeoutMs,
    },
    containersDir: join(store.state.value, 'volumes'),
    maxMountedVolumes,
  };
}
