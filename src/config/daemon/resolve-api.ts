import { SealiftError } from '../../errors/index.ts';
import type { Environment } from '../parse-environment.ts';
import type { Classified } from '../types.ts';
import { DAEMON_DEFAULTS } from './defaults.ts';
import { listSockets, locateSocket } from './list-sockets.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import { parseHealthAddress } from './parse-health-address.ts';
import { fromFile } from './resolve-volume.ts';
import type { ApiConfiguration, ApiSocket, HealthAddress } from './types.ts';

function findSockets({ path, file }: ParsedDaemonFile): readonly ApiSocket[] | undefined {
  const found = listSockets({ socket: file.socket, sockets: file.api?.sockets });
  if (typeof found !== 'string') return found;
  throw new SealiftError('CONFIG_FILE_INVALID', `configuration ${path}: ${found}`, { context: { path } });
}

/** The daemon would pass each call on to itself, without end. */
function findPassthroughSocket({ path, file }: ParsedDaemonFile, own: readonly ApiSocket[]): string | undefined {
  const written = file.api?.passthrough_socket;
  const socket = written === undefined ? undefined : locateSocket(written);
  if (!own.some((each) => each.path === socket)) return socket;
  const message = `configuration ${path}: api.passthrough_socket: expected the socket of another program, got one of the daemon`;
  throw new SealiftError('CONFIG_FILE_INVALID', message, { context: { path } });
}

/** https://github.com/confidential-containers/guest-components/blob/main/confidential-data-hub/hub/src/config.rs */
function findAgentSocket({ file }: ParsedDaemonFile, environment: Environment, origin: string): Classified<string> {
  const variable = environment['AA_SOCKET'];
  if (variable) {
    if (!/^(?:unix:\/\/)?\//.test(variable)) {
      throw new SealiftError('CONFIG_FILE_INVALID', 'environment AA_SOCKET: expected unix:// and an absolute path');
    }
    return { value: locateSocket(variable), class: 'measured', origin: 'environment AA_SOCKET' };
  }
  const written = file.api?.aa_socket ?? file.aa?.aa_socket;
  const value = written === undefined ? undefined : locateSocket(written);
  return fromFile<string>(value, origin, DAEMON_DEFAULTS['api.aa_socket']);
}

/** Returns the sockets that the daemon serves, and the ones that it connects to. */
export function resolveApi(parsed: ParsedDaemonFile, environment: Environment, origin: string): ApiConfiguration {
  const { api = {} } = parsed.file;
  const sockets = fromFile(findSockets(parsed), origin, DAEMON_DEFAULTS['api.sockets']);
  return {
    sockets,
    bundleRoots: fromFile<readonly string[]>(api.bundle_roots, origin, DAEMON_DEFAULTS['api.bundle_roots']),
    passthroughSocket: fromFile<string | undefined>(findPassthroughSocket(parsed, sockets.value), origin, undefined),
    aaSocket: findAgentSocket(parsed, environment, origin),
    readyFile: fromFile<string | undefined>(api.ready_file, origin, undefined),
    maxPulls: fromFile<number>(api.max_pulls, origin, DAEMON_DEFAULTS['api.max_pulls']),
    health: fromFile<HealthAddress | undefined>(
      api.health === undefined ? undefined : parseHealthAddress(api.health),
      origin,
      undefined,
    ),
  };
}
