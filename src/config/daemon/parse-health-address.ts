import { isIPv4 } from 'node:net';
import type { HealthAddress } from './types.ts';

const MAX_PORT = 65_535;

/**
 * `unix:///run/x.sock`, `/run/x.sock`, `127.0.0.1:9464`, `[::1]:9464`; undefined for anything else, since who asks has
 * no business outside of the guest. A name such as localhost is not taken: it leads where a file says.
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
