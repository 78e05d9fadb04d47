export type { NetworkSources } from './network-types.ts';
export { DOCTOR_OPERATIONS } from './operations.ts';
export { runDoctor } from './run-doctor.ts';
export type {
  DoctorOperations,
  DoctorPorts,
  DoctorReport,
  ReportedCheck,
} from './types.ts';
export { viewHelpers, viewNetwork } from './view-network.ts';
