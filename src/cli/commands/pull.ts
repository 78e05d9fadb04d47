import { type Command, Option } from 'commander';
import type { PullResult, PullTarget } from '../../pull/index.ts';
import {
  addRegistryFlags,
  parseRegistryOptions,
  type RegistryFlags,
  type RegistryOptions,
} from '../flags/registry-flags.ts';
import { parsePath, usage } from '../flags/usage.ts';
import { formatBytes } from '../format-bytes.ts';
import { IMAGE_ARGUMENT, parseImage, parseRemoteImage } from '../parse-image.ts';
import type { CommandContext, CommandIo } from '../types.ts';

interface PullFlags extends RegistryFlags {
  readonly bundle?: string;
  readonly unpack?: string;
  readonly socket?: string;
}

export interface PullOptions extends RegistryOptions {
  readonly reference: string;
  readonly target: PullTarget;
}

/** A pull that the daemon behind a socket performs, requested as the kata agent requests it. */
export interface RequestPullOptions {
  readonly reference: string;
  /** An absolute path. */
  readonly socketPath: string;
  /** The bundle directory, which is made when it is absent. */
  readonly bundle: string;
}

export interface RequestPullResult {
  readonly manifestDigest: string;
  readonly bundle: string;
}

export interface PullCommands {
  pull(options: PullOptions, io: CommandIo): Promise<PullResult>;
  requestPull(options: RequestPullOptions, io: CommandIo): Promise<RequestPullResult>;
}

const EXAMPLES = `
Examples:
  # fill the store and print the digest of the image
  sealift pull registry.example/app@sha256:0123…

  # a tag needs a policy, or the statement that none is wanted
  sealift pull --policy policy.json --bundle ./app registry.example/app:1.2
  sealift pull --insecure-policy --bundle ./app registry.example/app:1.2

  # a plain directory tree, also without root
  sealift pull --insecure-policy --unpack ./tree docker.io/library/busybox:latest

  # through the daemon, as the kata agent does
  sealift pull --socket /run/confidential-containers/cdh.sock --bundle /run/kata-containers/debug registry.example/app@sha256:0123…

  # a registry on this machine that speaks http
  sealift pull --tls-verify=false --insecure-policy localhost:5000/app:1.2

  # a directory or an archive of this machine; inspect prints the digest that pins it
  sealift pull oci:./layout:1.2@sha256:0123…
  sealift pull --policy policy.json --bundle ./app oci-archive:app.tar
  sealift pull --insecure-policy docker-archive:saved.tar:example.org/app:1.2
`;

/** Flags whose settings the daemon takes from its own configuration, never from a caller. */
const FLAGS_WITHOUT_SOCKET = [
  'unpack',
  'store',
  'platform',
  'authfile',
  'creds',
  'tlsVerify',
  'policy',
  'insecurePolicy',
  'certDir',
  'registriesConf',
  'registriesConfD',
  'registries.d',
  'foreignLayers',
];

export function addPull(program: Command, commands: PullCommands, context: CommandContext): void {
  addRegistryFlags(program.command('pull').description('verify an image and put it into the store, a bundle or a tree'))
    .argument('<ref>', IMAGE_ARGUMENT)
    .addOption(new Option('--bundle <dir>', 'make an OCI bundle: DIR/rootfs mounted, DIR/config.json'))
    .addOption(
      new Option('--unpack <dir>', 'unpack into a plain directory, without a store').conflicts(['bundle', 'store']),
    )
    .option('--store <dir>', 'keep the store’s data and state below DIR')
    .option('--foreign-layers', 'fetch layers that a registry may not hold from the https addresses in the manifest')
    .addOption(
      new Option('--socket <path>', 'have the daemon pull, as the kata agent does').conflicts(FLAGS_WITHOUT_SOCKET),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, flags: PullFlags) => {
      const request = parseRequest(image, flags, context);
      if (request === undefined) await pull(image, flags, { commands, context });
      else await requestPull(request, flags, { commands, context });
    });
}

interface PullRun {
  readonly commands: PullCommands;
  readonly context: CommandContext;
}

async function pull(image: string, flags: PullFlags, { commands, context }: PullRun): Promise<void> {
  const reference = parseImage(image, context);
  const target = parseTarget(flags, context);
  const registry = await parseRegistryOptions(flags, context);
  const result = await commands.pull({ reference, target, ...registry }, context.begin(flags));
  context.finish(
    {
      result,
      output: () => `${result.manifestDigest}\n`,
      remarks: () => describePull(result),
      warnings: result.warnings,
    },
    flags,
  );
}

async function requestPull(
  request: RequestPullOptions,
  flags: PullFlags,
  { commands, context }: PullRun,
): Promise<void> {
  const reference = parseRemoteImage(request.reference);
  const result = await commands.requestPull({ ...request, reference }, context.begin(flags));
  context.finish({ result, output: () => `${result.manifestDigest}\n` }, flags);
}

function parseTarget({ bundle, unpack }: PullFlags, io: { readonly cwd: string }): PullTarget {
  if (bundle !== undefined) return { kind: 'bundle', directory: parsePath(io, bundle, '--bundle') };
  if (unpack !== undefined) return { kind: 'unpack', directory: parsePath(io, unpack, '--unpack') };
  return { kind: 'store' };
}

/** Undefined without `--socket`. With a socket the daemon decides everything but the bundle directory. */
function parseRequest(
  reference: string,
  { socket, bundle }: PullFlags,
  io: { readonly cwd: string },
): RequestPullOptions | undefined {
  if (socket === undefined) return undefined;
  if (bundle === undefined) return usage('--socket: expected --bundle DIR, got no directory for the rootfs');
  const socketPath = parsePath(io, socket.replace(/^unix:\/\//, ''), '--socket');
  return { reference, socketPath, bundle: parsePath(io, bundle, '--bundle') };
}

function describePull(result: PullResult): string {
  const fetched = result.layers.filter((layer) => layer.fetches > 0);
  const bytes = fetched.reduce((sum, layer) => sum + layer.size * layer.fetches, 0);
  const where = { store: 'in the store', bundle: 'bundle', unpack: 'unpacked' }[result.target.kind];
  const path = result.target.kind === 'store' ? '' : ` ${result.target.directory}`;
  return (
    `${result.name}@${result.manifestDigest}\n` +
    `${result.layers.length} ${result.layers.length === 1 ? 'layer' : 'layers'}, ${fetched.length} fetched (${formatBytes(bytes)}), ` +
    `${(result.durationMs / 1000).toFixed(1)} s; ${where}${path}\n`
  );
}
