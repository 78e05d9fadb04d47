import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { SealiftError } from '../errors/index.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { brokenInTunnel, brokenTunnel, proxyRefusal, proxyUnreachable, unexpectedBytes } from './proxy-fault.ts';

export interface Destroyable {
  destroy(reason?: Error): unknown;
}

/** Opens a connection; what it returns ends one that is not open yet. */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Destroyable | undefined;

export interface TunnelOptions {
  readonly proxy: HttpProxy;
  readonly dial: Dial;
  /** For the answer of the proxy; `dial` has its own. */
  readonly timeoutMs: number;
  readonly maxHeadBytes: number;
  readonly userAgent: string;
}

/** Host and port of the proxy, as `dial` wants them. */
export function proxyAddress({ protocol, hostname, port, name }: HttpProxy): buildConnector.Options {
  return { protocol, hostname, port, host: name };
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6: the port is always written. */
function authorityOf({ hostname, port }: buildConnector.Options): string {
  return `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port || '443'}`;
}

/** A TLS connection to `target` inside of one to the proxy: proxy, then CONNECT, then TLS. */
class Tunnel implements Destroyable {
  readonly #target: buildConnector.Options;
  readonly #options: TunnelOptions;
  readonly #callback: buildConnector.Callback;
  /** What is being waited for. */
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
    const authority = authorityOf(this.#target);
    const credentials = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
    const connect: ClientRequest = request({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, 'user-agent': userAgent, ...credentials },
      createConnection: () => socket,
      maxHeaderSize: maxHeadBytes,
    });
    // Node asks for a close otherwise, and some proxies grant it.
    connect.removeHeader('connection');
    this.#current = connect;
    connect.once('connect', (response, tunnel: Socket, rest) => this.#judge(response, tunnel, rest));
    connect.on('error', (error) => this.#fail(brokenTunnel(proxy, error)));
    this.#timer = setTimeout(() => {
      const cause = new SealiftError('HTTP_UNAVAILABLE', `expected an answer to CONNECT within ${timeoutMs} ms`);
      this.#fail(proxyUnreachable(proxy, cause));
    }, timeoutMs);
    connect.end();
  }

  #judge({ statusCode = 0 }: IncomingMessage, tunnel: Socket, rest: Buffer): void {
    clearTimeout(this.#timer);
    this.#current = tunnel;
    if (this.#settled) return void tunnel.destroy();
    const { proxy } = this.#options;
    if (statusCode < 200 || statusCode > 299) this.#fail(proxyRefusal(proxy, statusCode));
    // The origin speaks second in TLS, so nobody but the proxy can have said this.
    else if (rest.length > 0) this.#fail(unexpectedBytes(proxy));
    else this.#secure(tunnel);
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
    // A tunnel that closes without an error takes the TLS connection along in silence.
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

export function openTunnel(
  target: buildConnector.Options,
  options: TunnelOptions,
  callback: buildConnector.Callback,
): Destroyable {
  const tunnel = new Tunnel(target, options, callback);
  tunnel.open();
  return tunnel;
}
