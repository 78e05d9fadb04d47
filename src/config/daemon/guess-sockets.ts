import { LIMITS } from '../../limits/index.ts';
import { isJsonObject } from '../../oci/index.ts';
import { decodeDocument } from '../decode-document.ts';
import { loadTextFile } from '../load-text-file.ts';
import type { NamedFile } from '../types.ts';
import { DAEMON_DEFAULTS } from './defaults.ts';
import { listSockets } from './list-sockets.ts';

const SOCKET_ADDRESS = /^(?:unix:\/\/)?\/[^\u0000]*$/;
const ABSOLUTE_PATH = /^\/[^\u0000]*$/;

export interface SocketGuess {
  /** The file given with -c as it was read, for `loadDaemonConfiguration`; its path alone when it cannot be read. */
  readonly file: string | NamedFile | undefined;
  /**
   * Undefined where a guess would be none: the file cannot be read or decoded, or what it says of sockets is not of the
   * right form.
   */
  readonly paths: readonly string[] | undefined;
}

/**
 * Reads the file given with -c and returns the paths of the sockets that it will make the daemon serve, or the default
 * ones without a file. No schema is loaded for it: the kata agent waits for the socket, and schemas take as long as all
 * else until then. `loadDaemonConfiguration` confirms the guess or not. Never throws.
 */
export function guessSockets(path: string | undefined): SocketGuess {
  if (path === undefined) return { file: undefined, paths: defaultPaths() };
  const maxBytes = LIMITS.maxConfigurationBytes.default;
  const source = { path, what: 'configuration', maxBytes, code: 'CONFIG_FILE_INVALID' } as const;
  // Loading the configuration finds the same errors, and reports them.
  const text = attempt(() => loadTextFile(source));
  if (text === undefined) return { file: path, paths: undefined };
  const document = attempt(() => decodeDocument(text, path));
  return { file: { path, text }, paths: socketPathsOf(document) };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function socketPathsOf(document: unknown): readonly string[] | undefined {
  if (!isJsonObject(document)) return undefined;
  const { socket, api = {} } = document;
  if (socket !== undefined && !(typeof socket === 'string' && SOCKET_ADDRESS.test(socket))) return undefined;
  if (!isJsonObject(api)) return undefined;
  const { sockets } = api;
  const listed = sockets === undefined ? undefined : readPaths(sockets);
  if (sockets !== undefined && listed === undefined) return undefined;
  const found = listSockets({ socket, sockets: listed });
  if (found === undefined) return defaultPaths();
  return typeof found === 'string' ? undefined : found.map(({ path }) => path);
}

/** Returns the members of `api.sockets` if each of them has a path. */
function readPaths(sockets: unknown): readonly { readonly path: string }[] | undefined {
  if (!Array.isArray(sockets) || sockets.length === 0) return undefined;
  const paths = sockets.flatMap((socket: unknown) => {
    const path = isJsonObject(socket) ? socket['path'] : undefined;
    return typeof path === 'string' && ABSOLUTE_PATH.test(path) ? [{ path }] : [];
  });
  return paths.length === sockets.length ? paths : undefined;
}

function defaultPaths(): readonly string[] {
  return DAEMON_DEFAULTS['api.sockets'].map(({ path }) => path);
}
