import { Argument, Command, Option } from 'commander';
import { addStoreCommands, parseDoctorOptions } from './commands/store-commands.ts';
import { describeProgram } from './completion/describe-program.ts';
import { formatCompletion } from './completion/format-completion.ts';
import { SHELLS, type Shell } from './completion/types.ts';
import { addCommonFlags } from './flags/common-flags.ts';
import {
  type AskPassword,
  parseCommonOptions,
  parsePath,
  parseRegistryOptions,
  parseRequestPull,
  parseTarget,
  parseView,
  type RawFlags,
} from './flags/parse-options.ts';
import { parseImage, parseRemoteImage } from './parse-image.ts';
import type { CommandIo, CommandOutcome, Commands } from './types.ts';

export interface ProgramOptions {
  readonly version: string;
  readonly cwd: string;
  readonly askPassword: AskPassword;
  /** Called once, when the command line is understood and the command starts. */
  readonly begin: (flags: RawFlags) => CommandIo;
  /** Called with what the command returned. */
  readonly finish: (outcome: CommandOutcome, flags: RawFlags) => void;
  readonly writeHelp: (text: string) => void;
}

const PULL_EXAMPLES = `
Examples:
  # fill the store and print the digest of the image
  sealift pull registry.example/app@sha256:0123…

  # a tag needs a policy, or the word that none is wanted
  sealift pull --policy policy.json --bundle ./app registry.example/app:1.2
  sealift pull --insecure-policy --bundle ./app registry.example/app:1.2

  # a plain directory tree, also without root
  sealift pull --insecure-policy --unpack ./tree docker.io/library/busybox:latest

  # through the daemon, as the kata agent does
  sealift pull --socket /run/confidential-containers/cdh.sock --bundle /run/kata-containers/debug registry.example/app@sha256:0123…

  # a registry on this machine that speaks http
  sealift pull --tls-verify=false --insecure-policy localhost:5000/app:1.2

  # a directory or an archive of this machine; inspect tells the digest that pins it
  sealift pull oci:./layout:1.2@sha256:0123…
  sealift pull --policy policy.json --bundle ./app oci-archive:app.tar
  sealift pull --insecure-policy docker-archive:saved.tar:example.org/app:1.2
`;

const INSPECT_EXAMPLES = `
Examples:
  sealift inspect registry.example/app:1.2
  sealift inspect --config registry.example/app:1.2
  sealift inspect --raw registry.example/app:1.2 | sha256sum
  sealift inspect oci-archive:app.tar
`;

const IMAGE_ARGUMENT =
  'image: [docker://][host[:port]/]name[:tag][@digest], or {oci|oci-archive|docker-archive}:path[:name|:@position][@digest]';

const UMOUNT_EXAMPLES = `
Examples:
  sealift umount ./app
`;

const DOCTOR_EXAMPLES = `
Examples:
  sealift doctor
  sealift doctor --store /mnt/layers --json
  sealift doctor --daemon -c /run/confidential-containers/initdata/cdh.toml

  # also whether the registry of an image answers, and its mirrors; otherwise nobody is connected to
  sealift doctor registry.example/app:1.2

Exit code 0 when no check fails, 5 otherwise.
`;

const COMPLETION_EXAMPLES = `
Examples:
  source <(sealift completion bash)
  sealift completion bash > /usr/share/bash-completion/completions/sealift
  sealift completion zsh > /usr/share/zsh/vendor-completions/_sealift
  sealift completion fish > /usr/share/fish/vendor_completions.d/sealift.fish
`;

/** What decides on the way to a registry. */
function addTransportFlags(command: Command): Command {
  return command
    .option('--authfile <path>', 'credentials file in the auth.json format')
    .option('--cert-dir <dir>', 'certificates for the registry of REF: *.crt authorities, NAME.cert and NAME.key pairs')
    .option('--registries-conf <file>', 'registries.conf with mirrors and other places; default: where podman looks')
    .option('--registries-conf-d <dir>', 'drop-ins to it; default: where podman looks')
    .option('--tls-verify <bool>', 'written --tls-verify[=BOOL]; false: allow http and unknown certificates');
}

function addRegistryFlags(command: Command): Command {
  return addTransportFlags(addCommonFlags(command))
    .option('--platform <os/arch[/variant]>', 'image of an index to take; default: this machine')
    .option('--creds <user[:password]>', 'credentials for the registry of REF; asks for a missing password')
    .addOption(new Option('--policy <file>', 'policy.json that decides whether the image may run'))
    .addOption(new Option('--insecure-policy', 'accept any image').conflicts('policy'));
}

/** What the daemon's configuration says, and nobody who asks it. */
const DAEMONS_OWN = [
  ...['unpack', 'store', 'platform', 'authfile', 'creds', 'tlsVerify', 'policy', 'insecurePolicy'],
  ...['certDir', 'registriesConf', 'registriesConfD', 'foreignLayers'],
];

function addPull(program: Command, commands: Commands, options: ProgramOptions): void {
  addRegistryFlags(program.command('pull').description('verify an image and put it into the store, a bundle or a tree'))
    .argument('<ref>', IMAGE_ARGUMENT)
    .addOption(new Option('--bundle <dir>', 'make an OCI bundle: DIR/rootfs mounted, DIR/config.json'))
    .addOption(
      new Option('--unpack <dir>', 'unpack into a plain directory, without a store').conflicts(['bundle', 'store']),
    )
    .option('--store <dir>', 'keep the store’s data and state below DIR')
    .option('--foreign-layers', 'fetch layers that a registry may not hold from the https addresses in the manifest')
    .addOption(new Option('--socket <path>', 'have the daemon pull, as the kata agent does').conflicts(DAEMONS_OWN))
    .addHelpText('after', PULL_EXAMPLES)
    .action(async (image: string, flags: RawFlags) => {
      const request = parseRequestPull(image, flags, options);
      if (request !== undefined) {
        const remote = { ...request, reference: parseRemoteImage(image) };
        const result = await commands.requestPull(remote, options.begin(flags));
        options.finish({ command: 'pull --socket', result }, flags);
        return;
      }
      const reference = parseImage(image, options);
      const target = parseTarget(flags, options);
      const registry = await parseRegistryOptions(flags, options);
      const result = await commands.pull({ reference, target, ...registry }, options.begin(flags));
      options.finish({ command: 'pull', result }, flags);
    });
}

function addInspect(program: Command, commands: Commands, options: ProgramOptions): void {
  addRegistryFlags(program.command('inspect').description('show manifest and config of an image; fetches no layer'))
    .argument('<ref>', IMAGE_ARGUMENT)
    .addOption(new Option('--config', 'print the image config').conflicts('raw'))
    .addOption(new Option('--raw', 'print the manifest or index byte for byte').conflicts('json'))
    .addHelpText('after', INSPECT_EXAMPLES)
    .action(async (image: string, flags: RawFlags) => {
      const reference = parseImage(image, options);
      const registry = await parseRegistryOptions(flags, options);
      const result = await commands.inspect({ reference, view: parseView(flags), ...registry }, options.begin(flags));
      options.finish({ command: 'inspect', result }, flags);
    });
}

function addUmount(program: Command, commands: Commands, options: ProgramOptions): void {
  addCommonFlags(program.command('umount').description('unmount a bundle and remove its config.json and rootfs'))
    .argument('<dir>', 'bundle directory')
    .option('--store <dir>', 'the store that the bundle was made from')
    .addHelpText('after', UMOUNT_EXAMPLES)
    .action(async (unresolved: string, flags: RawFlags) => {
      const directory = parsePath(options, unresolved, 'bundle directory');
      const common = parseCommonOptions(flags, options);
      const result = await commands.umount({ directory, ...common }, options.begin(flags));
      options.finish({ command: 'umount', result }, flags);
    });
}

function addDoctor(program: Command, commands: Commands, options: ProgramOptions): void {
  const command = program.command('doctor').description('check what pulls need of this machine, and say what to do');
  addTransportFlags(addCommonFlags(command))
    .argument('[ref...]', 'images of registries: whether these answer, and their mirrors and proxies')
    .option('--store <dir>', 'the store to look at')
    .addOption(
      new Option(
        '--daemon',
        'what sealiftd stands on: its store, sockets, kernel, network and timeouts; -c is its configuration',
      ).conflicts(['authfile', 'certDir', 'registriesConf', 'registriesConfD', 'tlsVerify']),
    )
    .addHelpText('after', DOCTOR_EXAMPLES)
    .action(async (images: readonly string[], flags: RawFlags) => {
      const question = parseDoctorOptions(images, flags, options);
      const result = await commands.doctor(question, options.begin(flags));
      options.finish({ command: 'doctor', result }, flags);
    });
}

function addVersion(program: Command, options: ProgramOptions): void {
  program
    .command('version')
    .description('print the version')
    .option('--json', 'print one JSON document')
    .action((flags: RawFlags) => options.finish({ command: 'version', result: { version: options.version } }, flags));
}

function addCompletion(program: Command, options: ProgramOptions): void {
  program
    .command('completion')
    .description('print a script that completes this command line in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .option('--json', 'print one JSON document')
    .addHelpText('after', COMPLETION_EXAMPLES)
    .action((shell: Shell, flags: RawFlags) => {
      const script = formatCompletion(describeProgram(program), shell);
      options.finish({ command: 'completion', result: { script } }, flags);
    });
}

/** The command line as data: parses, calls the command, hands on what it returned. Throws commander's errors. */
export function createProgram(commands: Commands, options: ProgramOptions): Command {
  const program = new Command('sealift')
    .description('Pull container images inside a confidential guest: verified, mounted, ready to run.')
    .exitOverride()
    .configureOutput({ writeOut: options.writeHelp, writeErr: () => undefined })
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError(false);
  addPull(program, commands, options);
  addInspect(program, commands, options);
  addUmount(program, commands, options);
  addStoreCommands(program, commands, options);
  addDoctor(program, commands, options);
  addCompletion(program, options);
  addVersion(program, options);
  return program;
}
