export { askPassword } from './ask-password.ts';
export { createProgram, type ProgramOptions } from './create-program.ts';
export { runCli } from './run-cli.ts';
export type {
  CliIo,
  CommandIo,
  CommandOutcome,
  Commands,
  CommonOptions,
  Credentials,
  DoctorOptions,
  ImagesResult,
  InspectOptions,
  OutputStream,
  PruneOptions,
  PullOptions,
  RequestPullOptions,
  RequestPullResult,
  RmOptions,
  StoreCommandOptions,
  StoreStatusResult,
  UmountOptions,
  UmountResult,
} from './types.ts';
