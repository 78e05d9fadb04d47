import type { Command } from 'commander';

/** What every command takes. */
export function addCommonFlags(command: Command): Command {
  return command
    .option('-c, --config-file <file>', 'configuration file, TOML or JSON')
    .option('--json', 'print one JSON document: {"schema":1,"result":…} or {"schema":1,"error":…}')
    .option('--quiet', 'no progress bars and remarks on standard error')
    .option('--debug', 'log lines on standard error');
}
