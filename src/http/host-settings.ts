import { portOf } from './origin.ts';
import type { HostSettings, TransportSettings } from './types.ts';

interface HttpsTarget {
  readonly hostname: string;
  readonly port?: string | number | null | undefined;
}

/** Returns undefined for a host that cannot be part of a URL; it is never contacted. */
function authorityOf(host: string): string | undefined {
  const url = URL.parse(`https://${host}`);
  return url === null ? undefined : `${url.hostname}:${portOf(url)}`;
}

/**
 * Returns a function that finds the settings of a single server. The port is part of the host, and 443 if not named.
 */
export function createHostChoice({ hosts = [] }: TransportSettings): (target: HttpsTarget) => HostSettings | undefined {
  const byAuthority = new Map(hosts.map((settings) => [authorityOf(settings.host), settings]));
  return ({ hostname, port }) => {
    if (byAuthority.size === 0) return undefined;
    const bare = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
    return byAuthority.get(`${bare.toLowerCase()}:${port || '443'}`);
  };
}
