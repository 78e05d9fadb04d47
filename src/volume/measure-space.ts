import { statfsSync } from 'node:fs';
import { memoryInfo } from './mount-memory.ts';
import type { VolumeBacking, VolumeSpace } from './types.ts';
import { deviceFailed } from './volume-failed.ts';

/** See `VolumeOperations.measureSpace`. */
export function measureSpace(request: {
  readonly directory: string;
  readonly kind: VolumeBacking['kind'];
}): VolumeSpace {
  const { directory, kind } = request;
  try {
    const { blocks, bfree, bavail, bsize } = statfsSync(directory);
    const free = bavail * bsize;
    return {
      sizeBytes: blocks * bsize,
      usedBytes: (blocks - bfree) * bsize,
      availableBytes: kind === 'memory' ? Math.min(free, memoryInfo('MemAvailable')) : free,
    };
  } catch (error) {
    throw deviceFailed(`measure ${directory}`, error);
  }
}
