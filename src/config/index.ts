export { assertCredentialsAllowed, assertTransportAllowed, type ImageProof } from './assert-transport-allowed.ts';
export { authfileCandidates, findAuthfiles } from './find-authfiles.ts';
export { limitsOf } from './limits-of.ts';
export { type ConfigurationPlaces, DEFAULT_FILE, loadConfiguration } from './load-configuration.ts';
export { loadTextFile, type TextFile } from './load-text-file.ts';
export { parseConfiguration } from './parse-configuration.ts';
export type { Environment } from './parse-environment.ts';
export { resolveConfiguration } from './resolve-configuration.ts';
export { checkConfiguration, configurationJsonSchema } from './schema.ts';
export { DEFAULTS, environmentName, LIMIT_NAMES, SETTINGS, type SettableBy, snakeCase } from './settings.ts';
export type {
  Classified,
  Configuration,
  ConfigurationClass,
  ConfigurationSource,
  LogLevel,
  SettingName,
  SettingValues,
} from './types.ts';
