import { resolve } from 'node:path';
import type { SettingValues } from '../../config/index.ts';
import { SealiftError } from '../../errors/index.ts';
import type { InspectResult, PullTarget } from '../../pull/index.ts';
import type { CommonOptions, Credentials, RequestPullOptions } from '../types.ts';

/** Values of the flags as commander collects them; absent flags are undefined. */
export interface RawFlags {
  readonly bundle?: string;
  readonly unpack?: string;
  readonly store?: string;
  readonly daemon?: true;
  readonly socket?: string;
  readonly platform?: string;
  readonly authfile?: string;
  readonly creds?: string;
  readonly certDir?: string;
  readonly registriesConf?: string;
  readonly registriesConfD?: string;
  readonly tlsVerify?: string;
  readonly policy?: string;
  readonly insecurePolicy?: true;
  readonly foreignLayers?: true;
  readonly configFile?: string;
  readonly config?: true;
  readonly raw?: true;
  readonly all?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly debug?: true;
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

export function usage(message: string, hint?: string): never {
  throw new SealiftError('USAGE', message, hint === undefined ? {} : { hint });
}

/** `--tls-verify` takes its value behind `=` only, so that a reference behind it stays one. */
export function bindTlsVerify(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return argv.map((argument, position) =>
    argument === '--tls-verify' && (end < 0 || position < end) ? '--tls-verify=true' : argument,
  );
}

/** Asks for the password of a user; absent where there is nobody to ask. */
export type AskPassword = ((user: string) => Promise<string>) | undefined;

/** `USER[:PASSWORD]`; the first colon separates. No part of the text gets into a message. */
export async function parseCredentials(text: string, ask: AskPassword): Promise<Credentials> {
  const colon = text.indexOf(':');
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === '') return usage('--creds: expected USER[:PASSWORD], got no user');
  if (colon < 0 && ask === undefined) {
    return usage(
      '--creds: expected USER:PASSWORD, got no password and no terminal to ask for it',
      'other users of the machine see arguments of a process; a file given with --authfile they do not',
    );
  }
  const password = colon < 0 ? await ask?.(username) : text.slice(colon + 1);
  return password ? { username, password } : usage('--creds: expected a password, got an empty one');
}

/** An absolute path, from where the program was started. */
export function parsePath(io: { readonly cwd: string }, text: string, flag: string): string {
  return text === '' ? usage(`${flag}: expected a path, got an empty text`) : resolve(io.cwd, text);
}

/** Settings that are paths, by their flags. */
const PATH_FLAGS = [
  ['store.root', 'store', '--store'],
  ['pull.policy', 'policy', '--policy'],
  ['pull.authfile', 'authfile', '--authfile'],
  ['pull.registries_conf', 'registriesConf', '--registries-conf'],
  ['pull.registries_conf_d', 'registriesConfD', '--registries-conf-d'],
] as const;

function parsePathSettings(flags: RawFlags, io: { readonly cwd: string }): SettingValues {
  const settings = PATH_FLAGS.map(([setting, name, flag]) => {
    const text = flags[name];
    return text === undefined ? {} : { [setting]: parsePath(io, text, flag) };
  });
  return Object.assign({}, ...settings);
}

function parseSettings(flags: RawFlags, io: { readonly cwd: string }): SettingValues {
  const { insecurePolicy, foreignLayers, tlsVerify, platform, debug } = flags;
  const verify = tlsVerify === undefined ? undefined : BOOLEANS.get(tlsVerify);
  if (tlsVerify !== undefined && verify === undefined) {
    usage(`--tls-verify: expected true or false, got "${tlsVerify}"`);
  }
  return {
    ...parsePathSettings(flags, io),
    ...(insecurePolicy ? { 'pull.insecure_policy': true } : {}),
    ...(foreignLayers ? { 'pull.foreign_layer_urls': true } : {}),
    ...(verify === undefined ? {} : { 'pull.tls_verify': verify }),
    ...(platform === undefined ? {} : { 'pull.platform': platform }),
    ...(debug ? { 'log.level': 'debug' } : {}),
  };
}

/** `--policy --insecure-policy` is a forgotten value, not a file of that name (which can be written `./--…`). */
function assertNoFlagAsValue(flags: RawFlags): void {
  for (const [name, value] of Object.entries(flags)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (typeof value === 'string' && value.startsWith('-')) usage(`--${flag}: expected a value, got another flag`);
  }
}

export function parseCommonOptions(flags: RawFlags, io: { readonly cwd: string }): CommonOptions {
  assertNoFlagAsValue(flags);
  const configFile = flags.configFile === undefined ? undefined : parsePath(io, flags.configFile, '-c');
  return { settings: parseSettings(flags, io), configFile, debug: flags.debug ?? false };
}

export async function parseRegistryOptions(
  flags: RawFlags,
  io: { readonly cwd: string; readonly askPassword: AskPassword },
): Promise<CommonOptions & { readonly credentials: Credentials | undefined; readonly certDir: string | undefined }> {
  const common = parseCommonOptions(flags, io);
  const certDir = flags.certDir === undefined ? undefined : parsePath(io, flags.certDir, '--cert-dir');
  const credentials = flags.creds === undefined ? undefined : await parseCredentials(flags.creds, io.askPassword);
  return { ...common, credentials, certDir };
}

export function parseTarget({ bundle, unpack }: RawFlags, io: { readonly cwd: string }): PullTarget {
  if (bundle !== undefined) return { kind: 'bundle', directory: parsePath(io, bundle, '--bundle') };
  if (unpack !== undefined) return { kind: 'unpack', directory: parsePath(io, unpack, '--unpack') };
  return { kind: 'store' };
}

/** Undefined: the pull is our own. With a socket the daemon decides on everything but the place. */
export function parseRequestPull(
  reference: string,
  { socket, bundle }: RawFlags,
  io: { readonly cwd: string },
): RequestPullOptions | undefined {
  if (socket === undefined) return undefined;
  if (bundle === undefined) return usage('--socket: expected --bundle DIR, got no place for the rootfs');
  const socketPath = parsePath(io, socket.replace(/^unix:\/\//, ''), '--socket');
  return { reference, socketPath, bundle: parsePath(io, bundle, '--bundle') };
}

export function parseView({ config, raw }: RawFlags): InspectResult['view'] {
  if (raw) return 'raw';
  return config ? 'config' : 'summary';
}
