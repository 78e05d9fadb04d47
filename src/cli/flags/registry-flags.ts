import { type Command, Option } from 'commander';
import type { AskPassword } from '../types.ts';
import { addCommonFlags, type CommonFlags, type CommonOptions, parseCommonOptions } from './common-flags.ts';
import type { SettingFlags } from './parse-settings.ts';
import { parsePath, usage } from './usage.ts';

/** For the registry that the reference names, and for no other. Never logged, never part of a message. */
export interface UserPassword {
  readonly username: string;
  readonly password: string;
}

/** Flags of commands that look at an image. */
export interface RegistryFlags extends CommonFlags, SettingFlags {
  readonly creds?: string;
  readonly certDir?: string;
}

export interface RegistryOptions extends CommonOptions {
  readonly credentials: UserPassword | undefined;
  /** Certificates for the registry that the reference names. */
  readonly certDir?: string | undefined;
}

/** Flags that decide how registries are reached. */
export function addTransportFlags(command: Command): Command {
  return command
    .option('--authfile <path>', 'credentials file in the auth.json format')
    .option('--cert-dir <dir>', 'certificates for the registry of REF: *.crt authorities, NAME.cert and NAME.key pairs')
    .option('--registries-conf <file>', 'registries.conf with mirrors and remapped names; default: where podman looks')
    .option('--registries-conf-d <dir>', 'drop-ins to it; default: where podman looks')
    .option('--tls-verify <bool>', 'written --tls-verify[=BOOL]; false: allow http and unknown certificates');
}

export function addRegistryFlags(command: Command): Command {
  return addImageFlags(command).addOption(new Option('--insecure-policy', 'accept any image').conflicts('policy'));
}

/** The flags of {@link addRegistryFlags} without the one that accepts any image. */
export function addImageFlags(command: Command): Command {
  return addTransportFlags(addCommonFlags(command))
    .option('--platform <os/arch[/variant]>', 'image of an index to take; default: this machine')
    .option('--creds <user[:password]>', 'credentials for the registry of REF; asks for a missing password')
    .option('--registries.d <dir>', 'where signatures are looked for; default: where podman looks')
    .addOption(new Option('--policy <file>', 'policy.json that decides whether the image may run'));
}

/** Throws `USAGE`. */
export async function parseRegistryOptions(
  flags: RegistryFlags,
  io: { readonly cwd: string; readonly askPassword: AskPassword },
): Promise<RegistryOptions> {
  const common = parseCommonOptions(flags, io);
  const certDir = parseCertDir(flags, io);
  const credentials = flags.creds === undefined ? undefined : await parseCredentials(flags.creds, io.askPassword);
  return { ...common, credentials, certDir };
}

export function parseCertDir(
  { certDir }: Pick<RegistryFlags, 'certDir'>,
  io: { readonly cwd: string },
): string | undefined {
  return certDir === undefined ? undefined : parsePath(io, certDir, '--cert-dir');
}

/** `USER[:PASSWORD]`; the first colon separates. No part of the text gets into a message. */
async function parseCredentials(text: string, ask: AskPassword): Promise<UserPassword> {
  const colon = text.indexOf(':');
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === '') return usage('--creds: expected USER[:PASSWORD], got no user');
  if (colon < 0 && ask === undefined) {
    return usage(
      '--creds: expected USER:PASSWORD, got no password and no terminal to ask for it',
      'other users of the machine see the arguments of a process, but not a file given with --authfile',
    );
  }
  const password = colon < 0 ? await ask?.(username) : text.slice(colon + 1);
  return password ? { username, password } : usage('--creds: expected a password, got an empty one');
}
