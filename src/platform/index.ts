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
export { collectAllGarbage, collectYoungGarbage } from './collect-garbage.ts';
export { createCommandRunner, findProgram, PROGRAM_FOLDERS } from './command-runner.ts';
export {
  type DeviceNumber,
  type DmTarget,
  type LiveMapping,
  listTargetTypes,
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
  LoopIndex,
  openLoopOf,
} from './loop.ts';
export { readMemoryInfo } from './memory-info.ts';
export { mountAt, mountPointsUnder, parseMountinfo, readMounts } from './mountinfo.ts';
export { notifySupervisor } from './notify-supervisor.ts';
export { openUnnamed, openUnnamedShared } from './open-unnamed.ts';
export { releaseMemory } from './release-memory.ts';
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
  isClockSynchronized,
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
  openBeneath,
  openInRoot,
  S_IFMT,
  type SystemPath,
  syncfs,
  tryFlock,
  umount,
} from './syscalls.ts';
export type { Command, CommandEnd, CommandRunner } from './types.ts';
export { openVerity, type VerityDevice, type VerityOptions } from './verity-device.ts';
export { withinDirectory } from './within-directory.ts';
