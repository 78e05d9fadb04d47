export type { DaemonView, Trouble } from './daemon-types.ts';
export { performDoctorOperation } from './perform-operation.ts';
export { runDoctor } from './run-doctor.ts';
export type {
  Check,
  CheckStatus,
  DaemonPorts,
  DoctorOperation,
  DoctorPorts,
  DoctorReport,
  MachineFacts,
  PlaceFacts,
  RunDoctorOperation,
} from './types.ts';
