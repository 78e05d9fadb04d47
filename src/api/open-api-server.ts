import { openTtrpcServer, type TtrpcServer } from '../ttrpc/index.ts';
import { createServices } from './create-services.ts';
import type { ApiServer, ApiServerOptions } from './types.ts';

/**
 * Serves each socket's services. Throws `TTRPC_SOCKET_INVALID` when one socket cannot be created; then none stays open.
 */
export async function openApiServer({ sockets, ports, limits, log }: ApiServerOptions): Promise<ApiServer> {
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
