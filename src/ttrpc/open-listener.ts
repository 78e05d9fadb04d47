import { createServer, type Socket } from 'node:net';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { claimSocket, type SocketClaim } from './claim-socket.ts';

/** The configuration, which may set another limit, is not known yet. */
const MAX_WAITING = DEFAULT_LIMITS.maxTtrpcConnections;

/** Where a listener's connections go. */
export interface ListenerTarget {
  /** The connection is paused, so that none of its bytes are lost. */
  readonly onConnection: (socket: Socket) => void;
  /** Called for an error of accept(2), which concerns one connection. */
  readonly onError: (cause: Error) => void;
}

/** A socket whose connections wait until a server takes it. */
export interface TtrpcListener {
  readonly path: string;
  /** Gives the connections that wait to `target`, in the order of their arrival, and all later ones. */
  take(target: ListenerTarget): void;
  /**
   * Removes the socket file, accepts nothing more and closes the connections that wait; without effect from the second
   * time on. Returns why the file cannot be removed; all else is done then.
   */
  close(): Error | undefined;
}

/**
 * Listens at `path`. A program that has more to load than what listening takes calls this first: its clients see the
 * socket, connect and make calls, which nothing reads before a server takes the listener. As in a server, a connection
 * that is one too many replaces the oldest one. Throws `TTRPC_SOCKET_INVALID`.
 */
export async function openTtrpcListener(path: string, maxWaiting = MAX_WAITING): Promise<TtrpcListener> {
  const waiting = new WaitingConnections(maxWaiting);
  let target: ListenerTarget = waiting;
  // Like containerd's server: a client that closes its side of the connection is gone.
  const server = createServer({ allowHalfOpen: false, pauseOnConnect: true }, (socket) => target.onConnection(socket));
  const claim = await claimSocket(server, path);
  server.on('error', (cause) => target.onError(cause));
  let isClosed = false;
  return {
    path,
    take: (taker) => {
      target = taker;
      waiting.moveTo(taker);
    },
    close: () => {
      if (isClosed) return undefined;
      isClosed = true;
      const failure = release(claim);
      server.close();
      waiting.close();
      return failure;
    },
  };
}

function release(claim: SocketClaim): Error | undefined {
  try {
    claim.release();
    return undefined;
  } catch (cause) {
    return cause as Error;
  }
}

class WaitingConnections implements ListenerTarget {
  /** Oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #maxWaiting: number;
  #error: Error | undefined;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  readonly onConnection = (socket: Socket): void => {
    const [oldest] = this.#sockets;
    if (oldest !== undefined && this.#sockets.size >= this.#maxWaiting) {
      this.#sockets.delete(oldest);
      oldest.destroy();
    }
    this.#sockets.add(socket);
  };

  /** Keeps the first error only: a process that lacks file descriptors gets one after the other. */
  readonly onError = (cause: Error): void => {
    this.#error ??= cause;
  };

  moveTo(target: ListenerTarget): void {
    if (this.#error !== undefined) target.onError(this.#error);
    for (const socket of this.#sockets) target.onConnection(socket);
    this.#sockets.clear();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}
