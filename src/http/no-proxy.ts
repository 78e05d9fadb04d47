import { BlockList, isIP, isIPv4 } from 'node:net';
import { portOf } from './origin.ts';

type Matcher = (host: string, port: string) => boolean;

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/** An IPv4 address also matches in its IPv6 form. */
function contains(addresses: BlockList, host: string): boolean {
  return isIP(host) !== 0 && addresses.check(host, family(host));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || contains(loopback, host);
}

/** Removes brackets and a trailing dot. */
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

/** Splits off the port. The colons of a bare IPv6 address do not start a port. */
function splitPort(entry: string): { readonly name: string; readonly wanted: string | undefined } {
  const [, name = entry, wanted] = isIP(entry) === 0 ? (/^(.*):([0-9]{1,5})$/.exec(entry) ?? []) : [];
  return { name, wanted };
}

function matchEntry(entry: string): Matcher {
  if (entry === '*') return () => true;
  const network = matchNetwork(entry);
  if (network !== undefined) return network;
  const { name, wanted } = splitPort(entry);
  const isHost = matchHost(name);
  return (host, port) => (wanted === undefined || wanted === port) && isHost(host);
}

function entriesOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
}

/** A host name in the form of a parsed URL, in lower case and ASCII. */
const HOST = /^(?:\*?\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;
const MAX_PORT = 65_535;

/** True if an entry can match any host. */
function isReadable(entry: string): boolean {
  if (entry === '*' || matchNetwork(entry) !== undefined) return true;
  const { name, wanted = '1' } = splitPort(entry);
  const host = bareHost(name);
  const port = Number(wanted);
  return port > 0 && port <= MAX_PORT && (isIP(host) !== 0 || HOST.test(host));
}

/** Returns the entries that cannot match any host: URLs, networks with a wrong prefix, stars inside names. */
export function unreadableExceptions(text: string): readonly string[] {
  return entriesOf(text).filter((entry) => !isReadable(entry));
}

/**
 * Parses a `no_proxy` list as curl and Go do: hosts with their subdomains and addresses, both with an optional `:port`,
 * networks, or `*`. Returns a function that is true for URLs to reach without a proxy, which always include this
 * machine.
 *
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config, https://curl.se/docs/manpage.html#--noproxy
 */
export function parseNoProxy(text: string): (url: URL) => boolean {
  const matchers = entriesOf(text).map(matchEntry);
  return (url) => {
    const host = bareHost(url.hostname);
    return isLoopback(host) || matchers.some((matches) => matches(host, portOf(url)));
  };
}
