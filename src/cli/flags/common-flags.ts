import type { Command } from 'commander';
import type { SettingValues } from '../../config/index.ts';
import { parseSettings, type SettingFlags } from './parse-settings.ts';
import { parsePath, usage } from './usage.ts';

/** Flags of every command, as commander collects them. An absent flag is undefined. */
export interface CommonFlags {
  readonly configFile?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly debug?: true;
}

export interface CommonOptions {
  /** Flags as settings; they win over every other source. */
  readonly settings: SettingValues;
  /** Given with -c. */
  readonly configFile: string | undefined;
  /** True when log lines are to go to standard error. */
  readonly debug: boolean;
}

export function addCommonFlags(command: Command): Command {
  return command
    .option('-c, --config-file <file>', 'configuration file, TOML or JSON')
    .option('--json', 'print one JSON document: {"schema":1,"result":…} or {"schema":1,"error":…}')
    .option('--quiet', 'no progress bars and remarks on standard error')
    .option('--debug', 'log lines on standard error');
}

/** `--policy --insecure-policy` is a forgotten value, not a file of that name (which can be written `./--…`). */
function assertNoFlagAsValue(flags: CommonFlags): void {
  for (const [name, value] of Object.entries(flags)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (typeof value === 'string' && value.startsWith('-')) usage(`--${flag}: expected a value, got another flag`);
  }
}

/** Throws `USAGE`. */
export function parseCommonOptions(flags: CommonFlags & SettingFlags, io: { readonly cwd: string }): CommonOptions {
  assertNoFlagAsValue(flags);
  const configFile = flags.configFile === undefined ? undefined : parsePath(io, flags.configFile, '-c');
  return { settings: parseSettings(flags, io), configFile, debug: flags.debug ?? false };
}
