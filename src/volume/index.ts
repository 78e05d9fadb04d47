export { readVolumeStatus } from './describe-volume.ts';
export { explainShortage, type Shortage } from './explain-shortage.ts';
export { openVolume } from './open-volume.ts';
export { parseDeviceId, parseSecureMount } from './parse-secure-mount.ts';
export { performVolumeOperation } from './perform-operation.ts';
export type {
  Clock,
  DeviceFacts,
  ExpectedMapping,
  MappingFacts,
  MemorySize,
  RunVolumeOperation,
  SecureMountRequest,
  Volume,
  VolumeBacking,
  VolumeIntegrity,
  VolumeOperation,
  VolumePorts,
  VolumeRequest,
  VolumeSettings,
  VolumeSource,
  VolumeSpace,
  VolumeState,
  VolumeStatus,
  VolumeSummary,
} from './types.ts';
