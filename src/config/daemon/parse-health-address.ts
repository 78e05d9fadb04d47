import { isIPv4 } from 'node:net';
import type { HealthAddress } from './types.ts';

const MAX_PORT = 65_535;

/**
 * Parses `unix:///run/x.sock`, `/run/x.sock`, `127.0.0.1:9464` and `[::1]:9464`. Returns undefined for any other
 * address, because probes come from the guest itself. A name such as localhost is refused, because /etc/hosts decides
 * its address.
 */
export function parseHealthAddress(text: string): HealthAddress | undefined {
  const [, path] = /^(?:unix:\/\/)?(\/[^\u0000]*)$/.exec(text) ?? [];
  if (path !== undefined) return { kind: 'unix', path };
  const [, host = '', digits = ''] = /^([0-9.]+|\[::1\]):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > MAX_PORT) return undefined;
  if (host === '[::1]') return { kind: 'tcp', host: '::1', port };
  // https://www.rfc-editor.org/rfc/rfc6890#section-2.2.2
  return isIPv4(host) && host.startsWith('127.') ? { kind: 'tcp', host, port } : undefined;
}
