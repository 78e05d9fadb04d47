import type { Command } from 'commander';
import { addCommonFlags, type CommonFlags, type CommonOptions, parseCommonOptions } from './common-flags.ts';
import type { SettingFlags } from './parse-settings.ts';
import { usage } from './usage.ts';

/** Flags of commands that work on a store. */
export interface StoreFlags extends CommonFlags, SettingFlags {
  readonly daemon?: true;
}

export interface StoreCommandOptions extends CommonOptions {
  /** True for the daemon's store; the configuration is then the daemon's. */
  readonly ofDaemon: boolean;
}

export function addStoreFlags(command: Command): Command {
  return addCommonFlags(command)
    .option('--store <dir>', 'the store to look at, its data and state below DIR')
    .option('--daemon', 'the store that sealiftd pulls into; -c is its configuration');
}

/** Throws `USAGE`. */
export function parseStoreOptions(flags: StoreFlags, io: { readonly cwd: string }): StoreCommandOptions {
  const { daemon: ofDaemon = false, store } = flags;
  if (ofDaemon && store !== undefined) usage('--daemon: expected no --store beside it, got both');
  return { ...parseCommonOptions(flags, io), ofDaemon };
}
