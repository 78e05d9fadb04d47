import { SealiftError } from '../errors/index.ts';
import { openTtrpcListener } from '../ttrpc/index.ts';
import type { ApiListener } from './types.ts';

/**
 * Listens at each path, for a server that is loaded afterwards. Returns an empty list when one socket cannot be created,
 * because the server is asked for the same socket and reports why. Its caller closes what no server has taken.
 */
export async function openListeners(paths: readonly string[]): Promise<readonly ApiListener[]> {
  const listeners: ApiListener[] = [];
  try {
    for (const path of paths) listeners.push(await openTtrpcListener(path));
    return listeners;
  } catch (error) {
    closeListeners(listeners);
    if (error instanceof SealiftError && error.code === 'TTRPC_SOCKET_INVALID') return [];
    throw error;
  }
}

/** Closes listeners. A socket file that cannot be removed stays, and the next daemon replaces it. */
export function closeListeners(listeners: readonly ApiListener[]): void {
  for (const listener of listeners) listener.close();
}
