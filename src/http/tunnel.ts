import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { SealiftError } from '../errors/index.ts';
import { requestTunnel } from './connect-request.ts';
import { type Destroyable, type Dial, proxyAddress } from './dial.ts';
import type { ProxyServer } from './parse-proxy.ts';
import { brokenInTunnel, proxyUnreachable } from './proxy-fault.ts';
import { requestSocksTunnel } from './socks.ts';

export interface TunnelOptions {
  readonly proxy: ProxyServer;
  readonly dial: Dial;
  /** Timeout for the answer of the proxy; `dial` has its own timeout. */
  readonly timeoutMs: number;
  readonly maxHeadBytes: number;
  readonly userAgent: string;
}

/**
 * Opens a connection to `target` through a proxy: connects to the proxy, requests a tunnel, then starts TLS for https.
 */
class Tunnel implements Destroyable {
  readonly #target: buildConnector.Options;
  readonly #options: TunnelOptions;
  readonly #callback: buildConnector.Callback;
  /** The current step, which is destroyed on failure. */
  #current: Destroyable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = false;

  constructor(target: buildConnector.Options, options: TunnelOptions, callback: buildConnector.Callback) {
    this.#target = target;
    this.#options = options;
    this.#callback = callback;
  }

  open(): void {
    const { dial, proxy } = this.#options;
    this.#current = dial(proxyAddress(proxy), (error, socket) => {
      if (error !== null) this.#fail(proxyUnreachable(proxy, error));
      else this.#askFor(socket);
    });
  }

  destroy(reason: Error): void {
    this.#fail(reason);
  }

  #askFor(socket: Socket): void {
    if (this.#settled) return void socket.destroy();
    const { proxy, timeoutMs, maxHeadBytes, userAgent } = this.#options;
    const target = this.#target;
    const done = (error: Error | null, tunnel: Socket | null): void => {
      clearTimeout(this.#timer);
      if (tunnel === null) this.#fail(error ?? new Error('no tunnel'));
      else this.#enter(tunnel);
    };
    this.#timer = setTimeout(() => {
      const question = proxy.protocol === 'socks5:' ? 'SOCKS' : 'CONNECT';
      const message = `expected an answer to ${question} within ${timeoutMs} ms`;
      this.#fail(proxyUnreachable(proxy, new SealiftError('HTTP_UNAVAILABLE', message)));
    }, timeoutMs);
    this.#current =
      proxy.protocol === 'socks5:'
        ? requestSocksTunnel(socket, { proxy, target }, done)
        : requestTunnel(socket, { proxy, target, maxHeadBytes, userAgent }, done);
  }

  #enter(tunnel: Socket): void {
    this.#current = tunnel;
    if (this.#settled) tunnel.destroy();
    else if (this.#target.protocol === 'https:') this.#secure(tunnel);
    else this.#settle(null, tunnel);
  }

  #secure(tunnel: Socket): void {
    const { proxy } = this.#options;
    const secured = this.#options.dial({ ...this.#target, httpSocket: tunnel }, (...outcome) => {
      const [error, socket] = outcome;
      if (error !== null) this.#fail(brokenInTunnel(proxy, error));
      else if (this.#settled) socket.destroy();
      else this.#settle(null, socket);
    });
    this.#current = secured;
    // If the tunnel closes without an error, the TLS connection closes without any event.
    tunnel.once('close', () => this.#fail(brokenInTunnel(proxy, new Error('the tunnel was closed'))));
  }

  #fail(reason: Error): void {
    if (this.#settled) return;
    this.#settle(reason, null);
    this.#current?.destroy(reason);
  }

  #settle(...outcome: Parameters<buildConnector.Callback>): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#callback(...outcome);
  }
}

/** Opens a tunnel and calls `callback` once. The result ends a tunnel that is not open yet. */
export function openTunnel(
  target: buildConnector.Options,
  options: TunnelOptions,
  callback: buildConnector.Callback,
): Destroyable {
  const tunnel = new Tunnel(target, options, callback);
  tunnel.open();
  return tunnel;
}
