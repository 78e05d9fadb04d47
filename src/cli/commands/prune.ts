import type { Command } from 'commander';
import type { Removal } from '../../pull/index.ts';
import { addStoreFlags, parseStoreOptions, type StoreCommandOptions, type StoreFlags } from '../flags/store-flags.ts';
import type { CommandContext, CommandIo } from '../types.ts';
import { describeRemoval } from './removal.ts';

export interface PruneOptions extends StoreCommandOptions {
  /** True: images that are not mounted are removed as well. */
  readonly all: boolean;
}

export interface PruneCommands {
  prune(options: PruneOptions, io: CommandIo): Promise<Removal>;
}

const EXAMPLES = `
Examples:
  # what no image, no mount and no pull needs
  sealift prune

  # images that are not mounted as well
  sealift prune --all --json
`;

export function addPrune(program: Command, commands: PruneCommands, context: CommandContext): void {
  addStoreFlags(program.command('prune').description('remove what nothing in the store needs'))
    .option('--all', 'images that are not mounted, too')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StoreFlags & { readonly all?: true }) => {
      const common = parseStoreOptions(flags, context);
      const result = await commands.prune({ all: flags.all ?? false, ...common }, context.begin(flags));
      context.finish(describeRemoval(result), flags);
    });
}
