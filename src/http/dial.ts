import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { ProxyServer } from './parse-proxy.ts';

export interface Destroyable {
  destroy(reason?: Error): unknown;
}

/** Opens a connection; what it returns ends one that is not open yet. */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Destroyable | undefined;

/** What became of a connection to a proxy: one that leads to the server, on which nobody has said anything yet. */
export type Negotiated = (error: Error | null, tunnel: Socket | null) => void;

/** Host and port of the proxy, as `dial` wants them. SOCKS is spoken in the clear, as http is. */
export function proxyAddress({ protocol, hostname, port, name }: ProxyServer): buildConnector.Options {
  return { protocol: protocol === 'https:' ? protocol : 'http:', hostname, port, host: name };
}
