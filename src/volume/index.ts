export { readVolumeStatus } from './describe-volume.ts';
export { explainShortage, type Shortage } from './explain-shortage.ts';
export { openVolume } from './open-volume.ts';
export { VOLUME_OPERATIONS } from './operations.ts';
export { parseDeviceId, parseSecureMount } from './parse-secure-mount.ts';
export type {
  Clock,
  DeviceFacts,
  ExpectedMapping,
  MappingFacts,
  MemorySize,
  SecureMountRequest,
  Volume,
  VolumeBacking,
  VolumeIntegrity,
  VolumeOperations,
  VolumePorts,
  VolumeRequest,
  VolumeSettings,
  VolumeSource,
  VolumeSpace,
  VolumeState,
  VolumeStatus,
  VolumeSummary,
} from './types.ts';
