import { parse, TomlError } from 'smol-toml';
import { SealiftError } from '../errors/index.ts';
import { parseStrictJson } from '../oci/index.ts';
import { type ConfigurationFile, checkConfiguration } from './schema.ts';
import { LIMIT_NAMES, snakeCase } from './settings.ts';
import type { SettingValues } from './types.ts';

function isJson(text: string, path: string): boolean {
  if (path.endsWith('.json')) return true;
  return !path.endsWith('.toml') && text.trimStart().startsWith('{');
}

/** The parser's messages quote the file, which may hold secrets, so only the first line and the place are kept. */
function describe(error: unknown): string {
  if (error instanceof TomlError) return `line ${error.line}, column ${error.column}: ${error.message.split('\n')[0]}`;
  return error instanceof Error ? error.message : String(error);
}

function decode(text: string, path: string): unknown {
  const json = isJson(text, path);
  try {
    return json ? parseStrictJson(text) : parse(text);
  } catch (error) {
    const format = json ? 'JSON' : 'TOML';
    throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: expected ${format}: ${describe(error)}`, {
      context: { path },
    });
  }
}

function flatten({ store = {}, pull = {}, log = {} }: ConfigurationFile): SettingValues {
  const { limits = {}, ...pullSettings } = pull;
  const entries: [string, unknown][] = [
    ...Object.entries(store).map(([key, value]): [string, unknown] => [`store.${key}`, value]),
    ...Object.entries(pullSettings).map(([key, value]): [string, unknown] => [`pull.${key}`, value]),
    ...LIMIT_NAMES.map((name): [string, unknown] => [`pull.limits.${name}`, limits[snakeCase(name)]]),
    ...Object.entries(log).map(([key, value]): [string, unknown] => [`log.${key}`, value]),
  ];
  // The schema has just vouched for the type of each value.
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as SettingValues;
}

/**
 * Settings of a configuration file, TOML or JSON by its ending, else by its first character. Throws
 * `CONFIG_FILE_INVALID` with the path of the key that is unknown or wrong.
 */
export function parseConfiguration(text: string, path: string): SettingValues {
  const checked = checkConfiguration(decode(text, path));
  if (checked.ok) return flatten(checked.file);
  throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: ${checked.problem}`, { context: { path } });
}
