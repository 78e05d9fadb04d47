export { assertSystemCalls } from './assert-system-calls.ts';
export { attempt, type Usability } from './attempt.ts';
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
export { readBootId } from './boot-id.ts';
export { collectAllGarbage, collectYoungGarbage } from './collect-garbage.ts';
export { createCommandRunner, findProgram, PROGRAM_FOLDERS } from './command-runner.ts';
export { dataRuns } from './data-runs.ts';
export {
  type DeviceNumber,
  type LiveMapping,
  listTargetTypes,
  mappingNode,
  readMapping,
  removeMapping,
} from './dm-control.ts';
export { createGuestClock } from './guest-clock.ts';
export { isInMemory } from './in-memory.ts';
export { addressOf, type InflateLibrary, openInflateLibrary } from './inflate-library.ts';
export { isRoot } from './is-root.ts';
export { readKernelCommandLine } from './kernel-command-line.ts';
export { FULL_STATE_HINT, formatShortage, lackingResource, type Resource } from './lacking-resource.ts';
export {
  type AttachedLoop,
  attachLoop,
  type BackingFile,
  describeBackingFile,
  LoopIndex,
  openLoopOf,
} from './loop.ts';
export { makeDirectories } from './make-directories.ts';
export { type FileSystemSpace, measureFreeInodes, measureSpace } from './measure-space.ts';
export { type ResidentMemory, readMemoryInfo, readResidentMemory } from './memory-info.ts';
export { mountAt, mountPointsUnder, readMounts } from './mountinfo.ts';
export { notifySupervisor } from './notify-supervisor.ts';
export { openUnnamed, openUnnamedShared } from './open-unnamed.ts';
export type { PageOutResult } from './page-out-code.ts';
export { releaseCode, releaseMemory, releaseThreadMemory } from './release-memory.ts';
export {
  closeFd,
  errnoOf,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsetxattr,
  fsmount,
  fsopen,
  futimes,
  isClockSynchronized,
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
  O_PATH,
  openBeneath,
  openInRoot,
  openMemoryFile,
  S_IFMT,
  type SystemPath,
  syncfs,
  tryFlock,
  umount,
} from './syscalls.ts';
export { SYSTEM_CLOCK } from './system-clock.ts';
export { threadsOfMachine } from './threads-of-machine.ts';
export type { Checkpoint, Clock, Command, CommandEnd, CommandRunner } from './types.ts';
export { openVerity } from './verity-device.ts';
export { withReachablePath } from './with-reachable-path.ts';
export { withinDirectory } from './within-directory.ts';
export { writeAll } from './write-all.ts';
