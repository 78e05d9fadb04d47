import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { ProxyServer } from './parse-proxy.ts';

export interface Destroyable {
  destroy(reason?: Error): unknown;
}

/** Opens a connection. The result can end it while it is not open yet. */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Destroyable | undefined;

/** Called with an error, or with a tunnel to the server on which no byte has been sent in either direction. */
export type Negotiated = (error: Error | null, tunnel: Socket | null) => void;

/**
 * Returns the address of a proxy in the form for {@link Dial}. Connections for SOCKS are plain TCP, as those for http.
 */
export function proxyAddress({ protocol, hostname, port, name }: ProxyServer): buildConnector.Options {
  return { protocol: protocol === 'https:' ? protocol : 'http:', hostname, port, host: name };
}
