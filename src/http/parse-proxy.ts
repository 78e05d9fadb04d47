import { SealiftError } from '../errors/index.ts';
import { portOf } from './origin.ts';

interface ProxyAddress {
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: string;
  /** Host and port, and nothing secret: what messages call it. */
  readonly name: string;
}

/** A proxy that speaks HTTP, over TCP or over TLS. */
export interface HttpProxy extends ProxyAddress {
  readonly protocol: 'http:' | 'https:';
  /** Value of Proxy-Authorization; never in a message. */
  readonly authorization: string | undefined;
}

/** A proxy that speaks SOCKS 5 and looks names up. https://www.rfc-editor.org/rfc/rfc1928 */
export interface SocksProxy extends ProxyAddress {
  readonly protocol: 'socks5:';
  /** Never in a message. */
  readonly account: { readonly username: string; readonly password: string } | undefined;
}

export type ProxyServer = HttpProxy | SocksProxy;

/** Says nothing of the value, which may hold a password. */
function refuse(setting: string): never {
  const message = `${setting}: expected http://, https:// or socks5://[USER:PASSWORD@]HOST[:PORT]`;
  throw new SealiftError('CONFIG_FILE_INVALID', message, {
    context: { setting },
    hint: 'write characters like @ : / ? # % of a user or password as %40 %3A %2F %3F %23 %25',
  });
}

/** As Go, both are one: the proxy looks names up. */
const SOCKS5: ReadonlySet<string> = new Set(['socks5:', 'socks5h:']);
/** The older ways to write SOCKS that curl knows. */
const SOCKS4 = /^socks(?:4a?)?:$/;
/** https://www.rfc-editor.org/rfc/rfc1928#section-3 */
const SOCKS_PORT = '1080';
/** https://www.rfc-editor.org/rfc/rfc1929#section-2 */
const MAX_SOCKS_FIELD = 255;

function refuseSocks4(setting: string): never {
  throw new SealiftError('CONFIG_UNSUPPORTED', `${setting}: expected SOCKS 5, got SOCKS 4, which has no passwords`, {
    context: { setting },
    hint: 'write socks5://, which nearly every such proxy speaks as well, or name an HTTP proxy',
  });
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

/** https://www.rfc-editor.org/rfc/rfc1929: a user of 1 to 255 bytes, and a password of as many at most. */
function socksAccount({ username, password }: URL, setting: string): SocksProxy['account'] {
  if (username === '' && password === '') return undefined;
  const account = { username: decode(username, setting), password: decode(password, setting) };
  const [user, secret] = [Buffer.byteLength(account.username), Buffer.byteLength(account.password)];
  if (user === 0 || user > MAX_SOCKS_FIELD || secret > MAX_SOCKS_FIELD) return refuse(setting);
  return account;
}

/** The URL parser checks the hosts of schemes that it knows only. */
function parseSocks(url: URL, setting: string): SocksProxy {
  const plain = URL.parse(`http://${url.hostname}`);
  if (plain === null || plain.hostname !== url.hostname.toLowerCase()) return refuse(setting);
  const port = url.port || SOCKS_PORT;
  return {
    protocol: 'socks5:',
    hostname: plain.hostname.replace(/^\[|\]$/g, ''),
    port,
    name: `${plain.hostname}:${port}`,
    account: socksAccount(url, setting),
  };
}

/**
 * `setting` is for the message. Without a scheme it is http, as curl and Go read it. Throws `CONFIG_FILE_INVALID`, and
 * `CONFIG_UNSUPPORTED` for SOCKS 4.
 */
export function parseProxy(text: string, setting: string): ProxyServer {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url !== null && SOCKS4.test(url.protocol)) return refuseSocks4(setting);
  if (url === null || url.hostname === '' || url.pathname.length > 1 || url.search + url.hash !== '') {
    return refuse(setting);
  }
  const { protocol } = url;
  if (SOCKS5.has(protocol)) return parseSocks(url, setting);
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
