import { statSync } from 'node:fs';
import type { Environment } from './parse-environment.ts';

const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP']);

function under(directory: string | undefined, name: string): string[] {
  // XDG base directories must be absolute; a relative one is ignored.
  return directory?.startsWith('/') ? [`${directory}/${name}`] : [];
}

/**
 * Returns the paths at which the tools of containers/image look for credentials when no file is named, in their order.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-auth.json.5.md
 */
export function authfileCandidates(environment: Environment, uid: number): readonly string[] {
  const { XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, HOME } = environment;
  return [
    ...under(XDG_RUNTIME_DIR || `/run/containers/${uid}`, XDG_RUNTIME_DIR ? 'containers/auth.json' : 'auth.json'),
    ...under(XDG_CONFIG_HOME || (HOME && `${HOME}/.config`), 'containers/auth.json'),
    ...under(DOCKER_CONFIG || (HOME && `${HOME}/.docker`), 'config.json'),
  ];
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    // A directory that this user may not enter, such as root's HOME kept by setpriv, holds nothing for them.
    if (error instanceof Error && 'code' in error && ABSENT.has(error.code)) return false;
    throw error;
  }
}

/** Returns the candidates that exist. For the CLI only: in the guest, credentials come from files that are named. */
export function findAuthfiles(environment: Environment, uid: number): readonly string[] {
  return authfileCandidates(environment, uid).filter(isFile);
}
