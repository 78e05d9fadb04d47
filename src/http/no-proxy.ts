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

/** The colons of a bare IPv6 address begin no port. */
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

/** A host as a URL has it, in lower case and ASCII. */
const HOST = /^(?:\*?\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;
const MAX_PORT = 65_535;

/** Whether there are hosts that an entry can match. */
function isReadable(entry: string): boolean {
  if (entry === '*' || matchNetwork(entry) !== undefined) return true;
  const { name, wanted = '1' } = splitPort(entry);
  const host = bareHost(name);
  const port = Number(wanted);
  return port > 0 && port <= MAX_PORT && (isIP(host) !== 0 || HOST.test(host));
}

/** Entries that are there for nothing: URLs, networks with a wrong prefix, stars inside of names. */
export function unreadableExceptions(text: string): readonly string[] {
  return entriesOf(text).filter((entry) => !isReadable(entry));
}

/**
 * The list that curl and Go know as `no_proxy`: hosts with their sub-domains, addresses, networks, each but a network with
 * `:port` if need be, or `*`. The answer says whether a URL is reached without a proxy; this machine always is.
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
