import { BlockList, isIP, isIPv4 } from 'node:net';
import { portOf } from './origin.ts';

type Matcher = (host: string, port: string) => boolean;

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/** An IPv4 address is also found in its IPv6 form. */
function contains(addresses: BlockList, host: string): boolean {
  return isIP(host) !== 0 && addresses.check(host, family(host));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || contains(loopback, host);
}

/** No brackets and no trailing dot. */
function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

function matchNetwork(entry: string): Matcher | undefined {
  const [, address = '', bits = ''] = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(entry) ?? [];
  const prefix = Number(bits);
  if (isIP(address) === 0 || prefix > (isIPv4(address) ? 32 : 128)) return undefined;
  const network = new BlockList();
  network.addSubnet(address, prefix, family(address));
  return (host) => contains(network, host);
}

function matchHost(entry: string): (host: string) => boolean {
  const name = bareHost(entry);
  if (isIP(name) === 0) {
    const domain = name.replace(/^\*?\./, '');
    return (host) => domain !== '' && (host === domain || host.endsWith(`.${domain}`));
  }
  const address = new BlockList();
  address.addAddress(name, family(name));
  return (host) => contains(address, host);
}

function matchEntry(entry: string): Matcher {
  if (entry === '*') return () => true;
  const network = matchNetwork(entry);
  if (network !== undefined) return network;
  // The colons of a bare IPv6 address begin no port.
  const [, name = entry, wanted] = isIP(entry) === 0 ? (/^(.*):([0-9]{1,5})$/.exec(entry) ?? []) : [];
  const isHost = matchHost(name);
  return (host, port) => (wanted === undefined || wanted === port) && isHost(host);
}

/**
 * The list that curl and Go know as `no_proxy`: hosts with their sub-domains, addresses, networks, each but a network with
 * `:port` if need be, or `*`. The answer says whether a URL is reached without a proxy; this machine always is.
 *
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config, https://curl.se/docs/manpage.html#--noproxy
 */
export function parseNoProxy(text: string): (url: URL) => boolean {
  const matchers = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(matchEntry);
  return (url) => {
    const host = bareHost(url.hostname);
    return isLoopback(host) || matchers.some((matches) => matches(host, portOf(url)));
  };
}
