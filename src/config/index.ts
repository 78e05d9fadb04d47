export { assertCredentialsAllowed, assertTransportAllowed } from './assert-transport-allowed.ts';
export { addHostMirrors } from './daemon/add-host-mirrors.ts';
export { configureRegistry, overridesFor, type RegistryConfiguration } from './daemon/configure-registry.ts';
export { DAEMON_DEFAULTS } from './daemon/defaults.ts';
export {
  type DaemonPlaces,
  DEFAULT_IMAGEPULLER_FILE,
  loadDaemonConfiguration,
} from './daemon/load-daemon-configuration.ts';
export { loadDaemonRegistries } from './daemon/load-daemon-registries.ts';
export { matchRegistry } from './daemon/match-registry.ts';
export { obstacleError } from './daemon/obstacle-error.ts';
export { parseKernelCommandLine } from './daemon/parse-kernel-command-line.ts';
export {
  type AgentTexts,
  type AgentTimeout,
  type AgentTimeouts,
  locateAgentFile,
  resolveAgentTimeouts,
} from './daemon/resolve-agent-timeouts.ts';
export { type DaemonTexts, resolveDaemonConfiguration } from './daemon/resolve-daemon-configuration.ts';
export { daemonJsonSchema } from './daemon/schema.ts';
export {
  API_SERVICES,
  type ApiConfiguration,
  type ApiService,
  type ApiSocket,
  type DaemonConfiguration,
  type HealthAddress,
  type HostMirror,
  type ImageRegistries,
  INTEGRITY_ALGORITHMS,
  type IntegrityAlgorithm,
  type MemorySize,
  type PullObstacle,
  type RegistryOverride,
  type RegistryOverrides,
  type VolumeConfiguration,
} from './daemon/types.ts';
export { authfileCandidates, findAuthfiles } from './find-authfiles.ts';
export { limitsOf } from './limits-of.ts';
export { type ConfigurationPlaces, DEFAULT_FILE, loadConfiguration } from './load-configuration.ts';
export { loadTextFile, type TextFile } from './load-text-file.ts';
export { parseConfiguration } from './parse-configuration.ts';
export type { Environment } from './parse-environment.ts';
export { assertQualified } from './registries/assert-qualified.ts';
export {
  certsDirectories,
  type HostCertificates,
  loadCertificates,
  loadHostCertificates,
} from './registries/load-host-certificates.ts';
export { findRegistries, loadRegistries, namedRegistries } from './registries/load-registries.ts';
export { matchPrefix } from './registries/match-prefix.ts';
export { mergeRegistries } from './registries/merge-registries.ts';
export { parseRegistries } from './registries/parse-registries.ts';
export { resolveEndpoints } from './registries/resolve-endpoints.ts';
export { resolveShortName } from './registries/resolve-short-name.ts';
export { type Endpoint, NO_REGISTRIES, type Registries } from './registries/types.ts';
export { resolveConfiguration } from './resolve-configuration.ts';
export { checkConfiguration, configurationJsonSchema } from './schema.ts';
export { DEFAULTS, environmentName, LIMIT_NAMES, SETTINGS, type SettableBy, snakeCase } from './settings.ts';
export type {
  Classified,
  Configuration,
  ConfigurationClass,
  ConfigurationSource,
  LayerFormatChoice,
  LogLevel,
  SettingName,
  SettingValues,
  VerityMode,
} from './types.ts';
