import { type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { Destroyable, Negotiated } from './dial.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { brokenTunnel, proxyRefusal, unexpectedBytes } from './proxy-fault.ts';

export interface ConnectRequest {
  readonly proxy: HttpProxy;
  readonly target: buildConnector.Options;
  readonly maxHeadBytes: number;
  readonly userAgent: string;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6: the port is always written. */
function authorityOf({ hostname, port }: buildConnector.Options): string {
  return `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port || '443'}`;
}

/** Asks an HTTP proxy for a tunnel. */
export function requestTunnel(socket: Socket, asked: ConnectRequest, done: Negotiated): Destroyable {
  const { proxy, target, maxHeadBytes, userAgent } = asked;
  const authority = authorityOf(target);
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
  connect.once('connect', ({ statusCode = 0 }, tunnel: Socket, rest) => {
    const isGranted = statusCode >= 200 && statusCode <= 299;
    // The origin speaks second in TLS, so nobody but the proxy can have said this.
    if (isGranted && rest.length === 0) return done(null, tunnel);
    tunnel.destroy();
    done(isGranted ? unexpectedBytes(proxy) : proxyRefusal(proxy, statusCode), null);
  });
  connect.on('error', (error) => done(brokenTunnel(proxy, error), null));
  connect.end();
  return connect;
}
