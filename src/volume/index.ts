export { readContainerVolumes } from './container-volumes.ts';
export { readVolumeStatus } from './describe-volume.ts';
export { explainShortage } from './explain-shortage.ts';
export { openVolumes } from './open-volumes.ts';
export { VOLUME_OPERATIONS } from './operations.ts';
export { parseSecureMount } from './parse-secure-mount.ts';
export { pathsOverlap } from './paths-overlap.ts';
export type {
  DeviceFacts,
  PurposefulRequest,
  Volume,
  VolumeBacking,
  VolumeOperations,
  VolumeSpace,
  VolumeState,
  VolumeStatus,
  VolumeSummary,
  Volumes,
  VolumesSettings,
} from './types.ts';
