import { SealiftError } from '../errors/index.ts';
import { decodeDocument } from './decode-document.ts';
import { type ConfigurationFile, checkConfiguration } from './schema.ts';
import { LIMIT_NAMES, snakeCase } from './settings.ts';
import type { SettingValues } from './types.ts';

/** Returns the values of a file by the names of their settings. */
export function flattenTables({ store = {}, pull = {}, log = {} }: ConfigurationFile): SettingValues {
  const { limits = {}, proxy = {}, ...pullSettings } = pull;
  const entries: [string, unknown][] = [
    ...Object.entries(store).map(([key, value]): [string, unknown] => [`store.${key}`, value]),
    ...Object.entries(pullSettings).map(([key, value]): [string, unknown] => [`pull.${key}`, value]),
    ...Object.entries(proxy).map(([key, value]): [string, unknown] => [`pull.proxy.${key}`, value]),
    ...LIMIT_NAMES.map((name): [string, unknown] => [`pull.limits.${name}`, limits[snakeCase(name)]]),
    ...Object.entries(log).map(([key, value]): [string, unknown] => [`log.${key}`, value]),
  ];
  // The schema has checked the type of each value.
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as SettingValues;
}

/**
 * Parses a configuration file, TOML or JSON by its ending, else by its first character. Throws `CONFIG_FILE_INVALID`
 * with the path of the key that is unknown or wrong.
 */
export function parseConfiguration(text: string, path: string): SettingValues {
  const checked = checkConfiguration(decodeDocument(text, path));
  if (checked.ok) return flattenTables(checked.file);
  throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: ${checked.problem}`, { context: { path } });
}
