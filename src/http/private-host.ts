import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Special ranges of https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast. */
const IPV4_RANGES = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const;

/**
 * Special ranges of https://www.iana.org/assignments/iana-ipv6-special-registry, and those that contain an IPv4
 * address.
 */
const IPV6_RANGES = [
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
] as const;

const privateRanges = new BlockList();
for (const [address, prefix] of IPV4_RANGES) privateRanges.addSubnet(address, prefix, 'ipv4');
for (const [address, prefix] of IPV6_RANGES) privateRanges.addSubnet(address, prefix, 'ipv6');

/**
 * True if the host of a parsed URL is this machine or an address that is not on the public internet. The URL parser has
 * already turned decimal, octal and hexadecimal forms into dotted ones. Names other than localhost are not resolved.
 */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIPv4(host)) return privateRanges.check(host, 'ipv4');
  if (isIPv6(host)) return privateRanges.check(host, 'ipv6');
  return host === 'localhost' || host.endsWith('.localhost');
}
