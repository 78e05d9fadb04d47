import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SealiftError } from '../errors/index.ts';
import { Budget } from './budget.ts';
import { openTtrpcListener } from './open-listener.ts';
import { ServerConnection } from './server-connection.ts';
import type { ServerOptions, TtrpcServer } from './types.ts';

/** How long methods may clean up after they were aborted. */
const ABORT_GRACE_MS = 1_000;

/**
 * Serves `services` on a unix socket. Throws `TTRPC_SOCKET_INVALID`. ADR 0016 says why the server is our own,
 * docs/adr/0016-the-hubs-place.md.
 */
export async function openTtrpcServer(options: ServerOptions): Promise<TtrpcServer> {
  const listener = options.listener ?? (await openTtrpcListener(options.path));
  const clients = new Clients(options);
  listener.take({
    onConnection: (socket) => clients.add(socket),
    onError: (cause) => options.onFault(closed('could not be accepted', cause)),
  });
  const stop = async (graceMs: number): Promise<void> => {
    const cause = listener.close();
    if (cause !== undefined) options.onFault(closed('the socket file could not be removed', cause));
    await clients.stop(graceMs);
  };
  let stopped: Promise<void> | undefined;
  return {
    path: options.path,
    stop: (graceMs) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

class Clients {
  readonly #options: ServerOptions;
  readonly #bytes: Budget;
  readonly #slots: Budget;
  /** Open connections, oldest first. */
  readonly #connections = new Set<ServerConnection>();
  readonly #works = new Set<Promise<void>>();
  #onEmpty: (() => void) | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#bytes = new Budget(options.limits.maxTtrpcBufferedBytes);
    this.#slots = new Budget(options.limits.maxTtrpcRequests);
  }

  add(socket: Socket): void {
    if (this.#connections.size >= this.#options.limits.maxTtrpcConnections && !this.#makeRoom()) {
      this.#options.onFault(closed(`refused, because ${this.#connections.size} others are open`));
      socket.destroy();
      return;
    }
    const { services, limits, onFault } = this.#options;
    const connection = new ServerConnection(socket, {
      services,
      limits,
      onFault,
      bytes: this.#bytes,
      slots: this.#slots,
      onWork: (work) => this.#track(work),
      onClosed: (gone) => this.#remove(gone),
    });
    this.#connections.add(connection);
    socket.resume();
  }

  async stop(graceMs: number): Promise<void> {
    for (const connection of this.#connections) connection.drain();
    await this.#within(graceMs, this.#untilEmpty());
    for (const connection of this.#connections) connection.abort(closed('the server is stopping'));
    await this.#within(ABORT_GRACE_MS, Promise.all([this.#untilEmpty(), Promise.all(this.#works)]));
    for (const connection of this.#connections) connection.close();
  }

  /**
   * Closes the oldest connection that never made a call. One with calls stays: the kata agent opens one connection and
   * keeps it for its whole life.
   */
  #makeRoom(): boolean {
    for (const connection of this.#connections) {
      if (connection.hasCalled) continue;
      this.#connections.delete(connection);
      this.#options.onFault(closed('closed for a newer one, because it never made a call'));
      connection.close();
      return true;
    }
    return false;
  }

  #track(work: Promise<void>): void {
    this.#works.add(work);
    work.finally(() => this.#works.delete(work));
  }

  #remove(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #untilEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  async #within(ms: number, event: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const timer = sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([event, timer]);
    over.abort();
  }
}

function closed(reason: string, cause?: Error): SealiftError {
  return new SealiftError('TTRPC_CLOSED', `connection: ${reason}`, { cause });
}
