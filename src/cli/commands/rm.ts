import type { Command } from 'commander';
import type { Removal } from '../../pull/index.ts';
import { addStoreFlags, parseStoreOptions, type StoreCommandOptions, type StoreFlags } from '../flags/store-flags.ts';
import type { CommandContext, CommandIo } from '../types.ts';
import { describeRemoval } from './removal.ts';

export interface RmOptions extends StoreCommandOptions {
  /** References and digests as the user wrote them. */
  readonly targets: readonly string[];
}

export interface RmCommands {
  rm(options: RmOptions, io: CommandIo): Promise<Removal>;
}

const EXAMPLES = `
A name is removed; an image is removed with its last name, unless it is mounted. A digest stands for all names of its image.

Examples:
  sealift rm registry.example/app:1.2
  sealift rm sha256:0123… sha256:4567…
`;

export function addRm(program: Command, commands: RmCommands, context: CommandContext): void {
  addStoreFlags(program.command('rm').description('remove names of images, and images without a name'))
    .argument('<ref|digest...>', 'image references, or digests of manifests')
    .addHelpText('after', EXAMPLES)
    .action(async (targets: readonly string[], flags: StoreFlags) => {
      const common = parseStoreOptions(flags, context);
      const result = await commands.rm({ targets, ...common }, context.begin(flags));
      context.finish(describeRemoval(result), flags);
    });
}
