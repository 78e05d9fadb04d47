import { portOf } from './origin.ts';
import type { HostSettings, TransportSettings } from './types.ts';

interface HttpsTarget {
  readonly hostname: string;
  readonly port?: string | number | null | undefined;
}

/** A host that no URL can have is never reached. */
function authorityOf(host: string): string | undefined {
  const url = URL.parse(`https://${host}`);
  return url === null ? undefined : `${url.hostname}:${portOf(url)}`;
}

/** Says what holds for a server besides the settings of all; a host counts with its port, which is 443 unless named. */
export function createHostChoice({ hosts = [] }: TransportSettings): (target: HttpsTarget) => HostSettings | undefined {
  const byAuthority = new Map(hosts.map((settings) => [authorityOf(settings.host), settings]));
  return ({ hostname, port }) => {
    if (byAuthority.size === 0) return undefined;
    const bare = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
    return byAuthority.get(`${bare.toLowerCase()}:${port || '443'}`);
  };
}
