import { SealiftError } from '../errors/index.ts';
import { portOf } from './origin.ts';

/** A proxy that speaks HTTP, over TCP or over TLS. */
export interface HttpProxy {
  readonly protocol: 'http:' | 'https:';
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: string;
  /** Host and port, and nothing secret: what messages call it. */
  readonly name: string;
  /** Value of Proxy-Authorization; never in a message. */
  readonly authorization: string | undefined;
}

/** Says nothing of the value, which may hold a password. */
function refuse(setting: string): never {
  const message = `${setting}: expected http:// or https://[USER:PASSWORD@]HOST[:PORT]`;
  throw new SealiftError('CONFIG_FILE_INVALID', message, {
    context: { setting },
    hint: 'write characters like @ : / ? # % of a user or password as %40 %3A %2F %3F %23 %25',
  });
}

/** The ways to write SOCKS that curl knows. */
const SOCKS = /^socks(?:4a?|5h?)?:$/;

function refuseSocks(setting: string): never {
  throw new SealiftError(
    'CONFIG_UNSUPPORTED',
    `${setting}: expected a proxy that speaks HTTP, got one that speaks SOCKS`,
    {
      context: { setting },
      hint: 'name an HTTP proxy, which may itself go through the SOCKS one',
    },
  );
}

function decode(text: string, setting: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(setting);
  }
}

/** https://www.rfc-editor.org/rfc/rfc7617#section-2: no control characters, and no colon in the user. */
function basicCredentials({ username, password }: URL, setting: string): string | undefined {
  if (username === '' && password === '') return undefined;
  const user = decode(username, setting);
  const pair = `${user}:${decode(password, setting)}`;
  if (user.includes(':') || /[\u0000-\u001f\u007f]/.test(pair)) return refuse(setting);
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}

/**
 * `setting` is for the message. Without a scheme it is http, as curl and Go read it. Throws `CONFIG_FILE_INVALID`, and
 * `CONFIG_UNSUPPORTED` for SOCKS.
 */
export function parseProxy(text: string, setting: string): HttpProxy {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url !== null && SOCKS.test(url.protocol)) return refuseSocks(setting);
  if (url === null || url.hostname === '' || url.pathname.length > 1 || url.search + url.hash !== '') {
    return refuse(setting);
  }
  const { protocol } = url;
  if (protocol !== 'http:' && protocol !== 'https:') return refuse(setting);
  const port = portOf(url);
  return {
    protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    name: `${url.hostname}:${port}`,
    authorization: basicCredentials(url, setting),
  };
}
