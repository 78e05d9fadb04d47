import { isIPv4 } from 'node:net';

/**
 * True if a name of a certificate stands for a host. A `*` may be the whole first label of the name, and stands for one
 * label. Case does not matter, nor does a dot at the end of the host. An address is no host, and no name stands for it.
 * https://www.rfc-editor.org/rfc/rfc6125#section-6.4
 */
export function matchHostname(name: string, host: string): boolean {
  const labels = name.toLowerCase().split('.');
  const expected = host.toLowerCase().replace(/\.$/, '').split('.');
  if (isIPv4(expected.join('.'))) return false;
  if (labels.length !== expected.length || ![...labels.slice(1), ...expected].every(isLabel)) return false;
  const [first = '', ...others] = labels;
  const isFirst = first === '*' ? others.length > 0 : isLabel(first) && first === expected[0];
  return isFirst && others.every((label, position) => label === expected[position + 1]);
}

function isLabel(label: string): boolean {
  return /^[a-z0-9_-]+$/.test(label);
}
