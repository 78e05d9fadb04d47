export { performDoctorOperation } from './perform-operation.ts';
export { runDoctor } from './run-doctor.ts';
export type {
  Check,
  CheckStatus,
  DoctorOperation,
  DoctorPorts,
  DoctorReport,
  MachineFacts,
  PlaceFacts,
  RunDoctorOperation,
} from './types.ts';
