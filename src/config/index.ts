export { assertCredentialsAllowed, assertEndpointAllowed, assertTransportAllowed } from './assert-transport-allowed.ts';
export { addHostMirrors } from './daemon/add-host-mirrors.ts';
export { configureRegistry, overridesFor } from './daemon/configure-registry.ts';
export { guessSockets, type SocketGuess } from './daemon/guess-sockets.ts';
export { loadDaemonConfiguration } from './daemon/load-daemon-configuration.ts';
export { loadDaemonRegistries } from './daemon/load-daemon-registries.ts';
export { obstacleError } from './daemon/locate-document.ts';
export {
  type AgentTimeout,
  type AgentTimeouts,
  locateAgentFile,
  resolveAgentTimeouts,
} from './daemon/resolve-agent-timeouts.ts';
export { resolveDaemonConfiguration } from './daemon/resolve-daemon-configuration.ts';
export type { DaemonConfiguration, IntegrityAlgorithm, KeyBrokerSettings, MemorySize } from './daemon/types.ts';
export { authfileCandidates, findAuthfiles } from './find-authfiles.ts';
export { loadConfiguration } from './load-configuration.ts';
export { loadNamedFile } from './load-named-file.ts';
export {
  findLookasideDirectory,
  loadDaemonLookasideRules,
  loadLookasideRules,
} from './lookaside/load-lookaside-rules.ts';
export { matchLookaside } from './lookaside/match-lookaside.ts';
export type { LookasideRules } from './lookaside/types.ts';
export type { Environment } from './parse-environment.ts';
export { assertQualified } from './registries/assert-qualified.ts';
export {
  certsDirectories,
  type HostCertificates,
  loadCertificates,
  loadHostCertificates,
} from './registries/load-host-certificates.ts';
export { findRegistries, loadRegistries } from './registries/load-registries.ts';
export { resolveEndpoints } from './registries/resolve-endpoints.ts';
export { resolveShortName } from './registries/resolve-short-name.ts';
export type { Endpoint, Registries } from './registries/types.ts';
export { limitsOf } from './resolve-configuration.ts';
export type {
  Classified,
  Configuration,
  ConfigurationClass,
  LayerFormatSetting,
  SettingValues,
  VerityMode,
} from './types.ts';
