import { Command } from 'commander';
import { addCompletion } from './commands/completion.ts';
import { addDoctor, type DoctorCommands } from './commands/doctor.ts';
import { addImages, type ImagesCommands } from './commands/images.ts';
import { addInspect, type InspectCommands } from './commands/inspect.ts';
import { addPolicyCheck, type PolicyCheckCommands } from './commands/policy-check.ts';
import { addPrune, type PruneCommands } from './commands/prune.ts';
import { addPull, type PullCommands } from './commands/pull.ts';
import { addRm, type RmCommands } from './commands/rm.ts';
import { addStoreStatus, type StoreStatusCommands } from './commands/store-status.ts';
import { addUmount, type UmountCommands } from './commands/umount.ts';
import { addVerify, type VerifyCommands } from './commands/verify.ts';
import { addVersion } from './commands/version.ts';
import type { CommandContext } from './types.ts';

/** The commands as functions of data; they print nothing. */
export interface Commands
  extends PullCommands,
    InspectCommands,
    VerifyCommands,
    PolicyCheckCommands,
    UmountCommands,
    ImagesCommands,
    RmCommands,
    PruneCommands,
    StoreStatusCommands,
    DoctorCommands {}

export interface ProgramOptions extends CommandContext {
  readonly version: string;
  readonly writeHelp: (text: string) => void;
}

/** The command line as data: parses, calls the command, hands on what it returned. Throws commander's errors. */
export function createProgram(commands: Commands, options: ProgramOptions): Command {
  const program = new Command('sealift')
    .description('Pull container images inside a confidential guest: verified, mounted, ready to run.')
    .version(options.version, '-v, --version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: options.writeHelp, writeErr: () => undefined })
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError(false);
  // The help lists the commands in this order.
  const onImages = [addPull, addInspect, addVerify, addPolicyCheck];
  for (const add of [...onImages, addUmount, addImages, addRm, addPrune, addStoreStatus, addDoctor]) {
    add(program, commands, options);
  }
  addCompletion(program, options);
  addVersion(program, options.version, options);
  return program;
}
