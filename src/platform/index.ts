export { type Attempt, attempt, type Usability } from './attempt.ts';
export {
  type BlockDevice,
  blockDeviceNode,
  describeBlockDevice,
  findBlockDevice,
  formatDeviceNumber,
  readDirect,
  readDiskseq,
  writeZerosDirect,
} from './block-device.ts';
export { createCommandRunner } from './command-runner.ts';
export {
  type DeviceNumber,
  type DmTarget,
  type LiveMapping,
  mappingNode,
  readMapping,
  removeMapping,
} from './dm-control.ts';
export { isInMemory } from './in-memory.ts';
export {
  type AttachedLoop,
  attachLoop,
  type Backing,
  describeBacking,
  openLoopOf,
} from './loop.ts';
export { notifySupervisor } from './notify-supervisor.ts';
export { openUnnamed } from './open-unnamed.ts';
export { hasShaInstructions } from './sha-instructions.ts';
export {
  assertSystemCalls,
  closeFd,
  errnoOf,
  flock,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsetxattr,
  fsmount,
  fsopen,
  futimes,
  LOCK,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  MNT,
  MOUNT_ATTR,
  MS,
  mknod,
  mount,
  moveMount,
  openInRoot,
  S_IFMT,
  type SystemPath,
  syncfs,
  tryFlock,
  umount,
} from './syscalls.ts';
export { openVerity, type VerityDevice, type VerityOptions } from './verity-device.ts';
