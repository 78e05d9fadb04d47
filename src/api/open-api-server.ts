import { openTtrpcServer, type TtrpcServer } from '../ttrpc/index.ts';
import { createServices } from './create-services.ts';
import { closeListeners } from './open-listeners.ts';
import type { ApiServer, ApiServerOptions } from './types.ts';

/**
 * Serves each socket's services. Throws `TTRPC_SOCKET_INVALID` when one socket cannot be created; then none stays open.
 */
export async function openApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { sockets, listeners = [], ports, limits, log } = options;
  // Before the others are opened: their connections must not wait for a server that never comes.
  closeListeners(listeners.filter(({ path }) => !sockets.some((socket) => socket.path === path)));
  const servers: TtrpcServer[] = [];
  const stop = async (graceMs: number): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop(graceMs)));
  };
  try {
    for (const { path, services } of sockets) {
      const socketLog = log.child({ socket: path });
      servers.push(
        await openTtrpcServer({
          path,
          listener: listeners.find((listener) => listener.path === path),
          services: createServices(services, { ports, limits, log: socketLog }),
          limits,
          onFault: ({ code, message }) => socketLog.debug({ code, error: message }, 'call or connection refused'),
        }),
      );
      socketLog.info({ services }, 'socket open');
    }
  } catch (error) {
    await stop(0);
    throw error;
  }
  return { stop };
}
