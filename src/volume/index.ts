export { readVolumeStatus } from './describe-volume.ts';
export { explainShortage } from './explain-shortage.ts';
export { openVolume } from './open-volume.ts';
export { VOLUME_OPERATIONS } from './operations.ts';
export { parseSecureMount } from './parse-secure-mount.ts';
export type {
  DeviceFacts,
  Volume,
  VolumeBacking,
  VolumeOperations,
  VolumeSettings,
  VolumeSpace,
  VolumeState,
  VolumeStatus,
  VolumeSummary,
} from './types.ts';
