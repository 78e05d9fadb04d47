export type { NetworkSources } from './network-types.ts';
export { performDoctorOperation } from './perform-operation.ts';
export { runDoctor } from './run-doctor.ts';
export type {
  Check,
  CheckGroup,
  CheckStatus,
  DaemonPorts,
  DoctorOperation,
  DoctorPorts,
  DoctorReport,
  MachineFacts,
  PlaceFacts,
  ReportedCheck,
  RunDoctorOperation,
} from './types.ts';
export { viewHelpers, viewNetwork } from './view-network.ts';
