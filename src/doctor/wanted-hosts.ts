import { isIP } from 'node:net';
import type { HostUse, WantedHost } from './network-types.ts';

export interface WantedUrl {
  readonly use: Exclude<HostUse, 'proxy'>;
  readonly url: URL;
}

/** Returns the proxy that a request goes through; undefined: none. */
export type ProxyOf = (url: URL) => { readonly hostname: string } | undefined;

/** Returns the hosts that a pull looks up by name: proxies, and what is reached without one. */
export function wantedHosts(urls: readonly WantedUrl[], proxyOf: ProxyOf): readonly WantedHost[] {
  const direct = urls.filter(({ url }) => proxyOf(url) === undefined);
  const proxies = ['https', 'http'].flatMap((scheme): WantedHost[] => {
    const proxy = proxyOf(new URL(`${scheme}://some.invalid`));
    return proxy === undefined ? [] : [{ host: proxy.hostname, use: 'proxy' }];
  });
  return onlyNames([...proxies, ...direct.map(({ use, url }) => ({ host: url.hostname, use }))]);
}

const ORDER: Readonly<Record<HostUse, number>> = { proxy: 0, registry: 1, mirror: 2 };

/** Keeps each host once, with its most important use. Addresses and this machine need no look-up. */
function onlyNames(hosts: readonly WantedHost[]): readonly WantedHost[] {
  const names = new Map<string, WantedHost>();
  for (const each of hosts) {
    if (each.host === 'localhost' || isIP(each.host.replace(/^\[|\]$/g, '')) !== 0) continue;
    const known = names.get(each.host);
    if (known === undefined || ORDER[each.use] < ORDER[known.use]) names.set(each.host, each);
  }
  return [...names.values()];
}
