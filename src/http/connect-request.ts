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

/** The authority of a CONNECT request always has a port. https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6 */
function authorityOf({ hostname, port }: buildConnector.Options): string {
  return `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port || '443'}`;
}

/** Requests a tunnel from an HTTP proxy. Calls `done` with the tunnel or an error; the result ends the request. */
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
  // Without this, Node sends `connection: close`, and some proxies then close the tunnel.
  connect.removeHeader('connection');
  connect.once('connect', ({ statusCode = 0 }, tunnel: Socket, rest) => {
    const isGranted = statusCode >= 200 && statusCode <= 299;
    // In TLS the client speaks first, so these bytes can only come from the proxy.
    if (isGranted && rest.length === 0) return done(null, tunnel);
    tunnel.destroy();
    done(isGranted ? unexpectedBytes(proxy) : proxyRefusal(proxy, statusCode), null);
  });
  connect.on('error', (error) => done(brokenTunnel(proxy, error), null));
  connect.end();
  return connect;
}
