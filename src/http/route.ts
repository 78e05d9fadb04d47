import { Agent } from 'undici';
import type { ChooseProxy } from './choose-proxy.ts';
import { type Connector, createConnectors } from './connector.ts';
import { originOf } from './origin.ts';
import type { HttpProxy } from './parse-proxy.ts';
import type { TransportLimits, TransportSettings } from './types.ts';

/** A pool of connections, and the requests that wait for one. */
export interface Lane {
  readonly agent: Agent;
  readonly connector: Connector;
  /** Requests by the origin their connection leads to, as long as it is not open. */
  readonly connecting: Map<string, number>;
}

/** How one request travels. */
export interface Route {
  readonly lane: Lane;
  /** Where its connection leads: to the server, or to a proxy that reads the request. */
  readonly origin: string;
  /** What stands in the first line of the request. */
  readonly target: string;
  /** What the request has to carry on this way besides its own headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** The proxy that reads the request. */
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
    // The stall clock of an exchange is the only one: undici's counts the time that our own back-pressure takes.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return { agent, connector, connecting: new Map() };
}

/** https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2: a proxy wants the whole URL. */
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
 * Decides for each request on its own which way it takes, so that a redirect is decided anew. Only plain http is read by a
 * proxy, and only by one that speaks it; all other tunnels are a matter of the connector.
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
