import type { Command } from 'commander';
import type { ProgramOptions } from '../create-program.ts';
import { addCommonFlags } from '../flags/common-flags.ts';
import { parseCommonOptions, parsePath, type RawFlags, usage } from '../flags/parse-options.ts';
import { parseRegistryImage } from '../parse-image.ts';
import type { Commands, DoctorOptions, StoreCommandOptions } from '../types.ts';

const IMAGES_EXAMPLES = `
SIZE is what the layers of an image take of the disk, SHARED the part that other images use as well.

Examples:
  sealift images
  sealift images --store /mnt/layers --json
  sealift images --daemon -c /run/confidential-containers/initdata/cdh.toml
`;

const RM_EXAMPLES = `
A name goes; an image goes with its last name, unless it is mounted. A digest stands for all names of its image.

Examples:
  sealift rm registry.example/app:1.2
  sealift rm sha256:0123… sha256:4567…
`;

const PRUNE_EXAMPLES = `
Examples:
  # what no image, no mount and no pull needs
  sealift prune

  # images that are not mounted as well
  sealift prune --all --json
`;

const STATUS_EXAMPLES = `
Of the store of sealiftd, whose configuration is given with -c. The exit code tells whether it can be used.

Examples:
  sealift store status
  sealift store status -c /run/confidential-containers/initdata/cdh.toml --json
`;

function addStoreFlags(command: Command): Command {
  return addCommonFlags(command)
    .option('--store <dir>', 'the store to look at, its data and state below DIR')
    .option('--daemon', 'the store that sealiftd pulls into; -c is its configuration');
}

export function parseStoreOptions(flags: RawFlags, options: ProgramOptions): StoreCommandOptions {
  const { daemon: ofDaemon = false, store } = flags;
  if (ofDaemon && store !== undefined) usage('--daemon: expected no --store beside it, got both');
  return { ...parseCommonOptions(flags, options), ofDaemon };
}

/** Files are there or not, which needs no doctor. */
export function parseDoctorOptions(images: readonly string[], flags: RawFlags, options: ProgramOptions): DoctorOptions {
  const certDir = flags.certDir === undefined ? undefined : parsePath(options, flags.certDir, '--cert-dir');
  return { ...parseStoreOptions(flags, options), images: images.map(parseRegistryImage), certDir };
}

function addImages(program: Command, commands: Commands, options: ProgramOptions): void {
  addStoreFlags(program.command('images').description('list the images of the store'))
    .addHelpText('after', IMAGES_EXAMPLES)
    .action(async (flags: RawFlags) => {
      const result = await commands.images(parseStoreOptions(flags, options), options.begin(flags));
      options.finish({ command: 'images', result }, flags);
    });
}

function addRm(program: Command, commands: Commands, options: ProgramOptions): void {
  addStoreFlags(program.command('rm').description('remove names of images, and images without a name'))
    .argument('<ref|digest...>', 'image references, or digests of manifests')
    .addHelpText('after', RM_EXAMPLES)
    .action(async (targets: readonly string[], flags: RawFlags) => {
      const common = parseStoreOptions(flags, options);
      const result = await commands.rm({ targets, ...common }, options.begin(flags));
      options.finish({ command: 'rm', result }, flags);
    });
}

function addPrune(program: Command, commands: Commands, options: ProgramOptions): void {
  addStoreFlags(program.command('prune').description('remove what nothing in the store needs'))
    .option('--all', 'images that are not mounted, too')
    .addHelpText('after', PRUNE_EXAMPLES)
    .action(async (flags: RawFlags) => {
      const common = parseStoreOptions(flags, options);
      const result = await commands.prune({ all: flags.all ?? false, ...common }, options.begin(flags));
      options.finish({ command: 'prune', result }, flags);
    });
}

function addStatus(program: Command, commands: Commands, options: ProgramOptions): void {
  const store = program.command('store').description('look at the image store of the daemon');
  addCommonFlags(store.command('status').description('where the image store lies and why, and what is in it'))
    .addHelpText('after', STATUS_EXAMPLES)
    .action(async (flags: RawFlags) => {
      const result = await commands.storeStatus(parseCommonOptions(flags, options), options.begin(flags));
      options.finish({ command: 'store status', result }, flags);
    });
}

/** The commands about what is in the store. */
export function addStoreCommands(program: Command, commands: Commands, options: ProgramOptions): void {
  addImages(program, commands, options);
  addRm(program, commands, options);
  addPrune(program, commands, options);
  addStatus(program, commands, options);
}
