import type { Command } from 'commander';
import { addCommonFlags, type CommonFlags, type CommonOptions, parseCommonOptions } from '../flags/common-flags.ts';
import type { SettingFlags } from '../flags/parse-settings.ts';
import { parsePath } from '../flags/usage.ts';
import type { CommandContext, CommandIo } from '../types.ts';

export interface UmountOptions extends CommonOptions {
  readonly directory: string;
}

export interface UmountResult {
  readonly directory: string;
  /** False when only the remains of a bundle were removed. */
  readonly wasMounted: boolean;
}

export interface UmountCommands {
  umount(options: UmountOptions, io: CommandIo): Promise<UmountResult>;
}

const EXAMPLES = `
Examples:
  sealift umount ./app
`;

export function addUmount(program: Command, commands: UmountCommands, context: CommandContext): void {
  addCommonFlags(program.command('umount').description('unmount a bundle and remove its config.json and rootfs'))
    .argument('<dir>', 'bundle directory')
    .option('--store <dir>', 'the store that the bundle was made from')
    .addHelpText('after', EXAMPLES)
    .action(async (unresolved: string, flags: CommonFlags & SettingFlags) => {
      const directory = parsePath(context, unresolved, 'bundle directory');
      const common = parseCommonOptions(flags, context);
      const result = await commands.umount({ directory, ...common }, context.begin(flags));
      context.finish({ result, output: () => '', remarks: () => describe(result) }, flags);
    });
}

function describe({ directory, wasMounted }: UmountResult): string {
  return wasMounted ? `unmounted ${directory}\n` : `${directory} was not mounted; bundle removed\n`;
}
