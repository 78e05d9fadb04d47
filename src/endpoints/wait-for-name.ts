import { isIP } from 'node:net';
import { createProxyChoice, type HttpClient, type TransportSettings } from '../http/index.ts';

/** Resolves when the name can be looked up, or when waiting longer is of no use, or when the signal aborts. */
export type WaitForName = (name: string, signal?: AbortSignal) => Promise<void>;

/** Returns the same client, whose requests wait until the name that they connect to can be looked up. */
export function waitForNames(http: HttpClient, transport: TransportSettings, wait: WaitForName): HttpClient {
  const nameOf = createNameChoice(transport);
  return {
    fetchDocument: async (request, maxBytes, signal) => {
      const name = nameOf(request.url);
      if (name !== undefined) await wait(name, signal);
      return http.fetchDocument(request, maxBytes, signal);
    },
  };
}

/**
 * Returns a function that names the host whose address a request needs, which is the proxy if there is one; undefined
 * when that is an address already.
 */
function createNameChoice({ proxy }: TransportSettings): (url: string) => string | undefined {
  const chooseProxy = createProxyChoice(proxy);
  return (text) => {
    const url = new URL(text);
    const { hostname } = chooseProxy(url) ?? url;
    const isKnown = hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
    return isKnown ? undefined : hostname;
  };
}
