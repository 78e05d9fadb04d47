import { Agent } from 'undici';
import type { ChooseProxy } from './choose-proxy.ts';
import { type Connector, createConnectors } from './connector.ts';
import { originOf } from './origin.ts';
import type { HttpProxy } from './parse-proxy.ts';
import type { TransportLimits, TransportSettings } from './types.ts';

/** A pool of connections, and the number of requests that wait for one. */
export interface Lane {
  readonly agent: Agent;
  readonly connector: Connector;
  /** Requests whose connection is not open yet, by the origin of the connection. */
  readonly connecting: Map<string, number>;
}

/** How one request is sent. */
export interface Route {
  readonly lane: Lane;
  /** The origin of the connection: the server, or a proxy that reads the request. */
  readonly origin: string;
  /** The request target, in the first line of the request. */
  readonly target: string;
  /** Headers that this route adds to those of the request. */
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy that reads the request, if there is one. */
  readonly reader: HttpProxy | undefined;
}

export interface Router {
  readonly route: (url: string) => Route;
  /** Ends every connection. */
  close(): Promise<void>;
}

function openLane(connector: Connector): Lane {
  const agent = new Agent({
    allowH2: false,
    pipelining: 1,
    connect: connector.connect,
    // Only the stall clock of an exchange is used: undici's timeouts would count the time of our own back-pressure.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return { agent, connector, connecting: new Map() };
}

/** A proxy that reads requests expects the whole URL. https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2 */
function throughReader(url: URL, proxy: HttpProxy, lane: Lane): Route {
  const credentials = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
  return {
    lane,
    origin: originOf(`${proxy.protocol}//${proxy.name}`),
    target: `${url.origin}${url.pathname}${url.search}`,
    headers: { host: url.host, ...credentials },
    reader: proxy,
  };
}

/**
 * Creates the router, which chooses the route for each request separately, so also after a redirect. A proxy reads only
 * plain http, and only if it speaks HTTP; for everything else the connector opens a tunnel.
 */
export function createRouter(settings: TransportSettings, limits: TransportLimits, chooseProxy: ChooseProxy): Router {
  const connectors = createConnectors(settings, { limits, chooseProxy });
  const direct = openLane(connectors.toOrigin);
  const readers = new Map<HttpProxy, Lane>();

  function readerLane(proxy: HttpProxy): Lane {
    const lane = readers.get(proxy) ?? openLane(connectors.toProxy(proxy));
    readers.set(proxy, lane);
    return lane;
  }

  return {
    route(text) {
      const url = new URL(text);
      const proxy = url.protocol === 'http:' ? chooseProxy(url) : undefined;
      if (proxy !== undefined && proxy.protocol !== 'socks5:') return throughReader(url, proxy, readerLane(proxy));
      return {
        lane: direct,
        origin: url.origin,
        target: `${url.pathname}${url.search}`,
        headers: {},
        reader: undefined,
      };
    },
    async close() {
      await Promise.all([direct, ...readers.values()].map(({ agent }) => agent.destroy()));
    },
  };
}
