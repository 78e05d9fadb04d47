import { type FileSystemSpace, measureSpace as measureFileSystem } from '../platform/index.ts';
import { deviceFailed } from './volume-failed.ts';

/** See `VolumeOperations.measureSpace`. */
export function measureSpace({ directory }: { readonly directory: string }): FileSystemSpace {
  try {
    return measureFileSystem(directory);
  } catch (error) {
    throw deviceFailed(`measure ${directory}`, error);
  }
}
