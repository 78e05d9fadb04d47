import type { Command } from 'commander';
import type { CommonFlags } from '../flags/common-flags.ts';
import type { CommandContext } from '../types.ts';

export function addVersion(program: Command, version: string, context: CommandContext): void {
  program
    .command('version')
    .description('print the version')
    .option('--json', 'print one JSON document')
    .action((flags: CommonFlags) => context.finish({ result: { version }, output: () => `${version}\n` }, flags));
}
