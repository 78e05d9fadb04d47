import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { SealiftError } from '../errors/index.ts';
import { claimSocket } from '../ttrpc/index.ts';
import { createAnswers, type HealthAnswer } from './answer-request.ts';
import type { HealthServer, HealthServerOptions, ListenAddress } from './types.ts';

/** The largest request head; a probe sends one line and a few headers. */
const MAX_HEAD_BYTES = 4_096;
const CHECK_INTERVAL_MS = 1_000;

/** Answers requests until it is stopped. Throws `HEALTH_SOCKET_INVALID`. */
export async function openHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { address, ports, limits, onFault } = options;
  const answer = createAnswers(ports);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: limits.healthTimeoutMs,
      requestTimeout: limits.healthTimeoutMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    ({ method, url: target }, response) => {
      answer({ method, target }).then(
        (given) => send(response, given),
        (error: unknown) => {
          onFault(refused('could not be answered', error));
          response.destroy();
        },
      );
    },
  );
  server.maxConnections = limits.maxHealthConnections;
  server.on('drop', () => onFault(refused(`expected at most ${limits.maxHealthConnections} connections at a time`)));
  server.on('clientError', (cause: Error, socket: Socket) => {
    onFault(refused(cause.message, cause));
    socket.destroy();
  });
  const release = await listen(server, address);
  // An error of accept(2) concerns one connection.
  server.on('error', (cause) => onFault(refused('a connection could not be accepted', cause)));
  return {
    stop: () => {
      release();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Sends the response and closes the connection, so that idle clients do not hold one of the few. */
function send(response: ServerResponse, { status, type, body }: HealthAnswer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(body);
}

/** Starts to listen. Returns a function that removes the file of a unix socket. */
async function listen(server: Server, address: ListenAddress): Promise<() => void> {
  try {
    if (address.kind === 'unix') return (await claimSocket(server, address.path)).release;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return () => undefined;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new SealiftError('HEALTH_SOCKET_INVALID', `health: ${message}`, { cause });
  }
}

function refused(reason: string, cause?: unknown): SealiftError {
  return new SealiftError('HEALTH_REQUEST_REFUSED', `health request: ${reason}`, { cause });
}
