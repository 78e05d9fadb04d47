export type { DaemonView, Trouble } from './daemon-types.ts';
export type {
  AuthfileView,
  HostUse,
  ImagePlace,
  ImageView,
  NetworkPorts,
  NetworkView,
  ProxyExceptions,
  ProxySetting,
  RegistryAnswer,
  WantedHost,
} from './network-types.ts';
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
