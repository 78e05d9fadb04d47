import { SealiftError } from '../errors/index.ts';
import { portOf } from './origin.ts';

interface ProxyAddress {
  /** An IPv6 address has no brackets. */
  readonly hostname: string;
  readonly port: string;
  /** Host and port, for messages. Contains no secret. */
  readonly name: string;
}

/** A proxy that speaks HTTP, over TCP or over TLS. */
export interface HttpProxy extends ProxyAddress {
  readonly protocol: 'http:' | 'https:';
  /** Value of Proxy-Authorization. Must not be part of a message. */
  readonly authorization: string | undefined;
}

/** A proxy that speaks SOCKS 5 and resolves names itself. https://www.rfc-editor.org/rfc/rfc1928 */
export interface SocksProxy extends ProxyAddress {
  readonly protocol: 'socks5:';
  /** Must not be part of a message. */
  readonly account: { readonly username: string; readonly password: string } | undefined;
}

export type ProxyServer = HttpProxy | SocksProxy;

/** The message does not contain the value, which may have a password. */
function refuse(setting: string): never {
  const message = `${setting}: expected http://, https:// or socks5://[USER:PASSWORD@]HOST[:PORT]`;
  throw new SealiftError('CONFIG_FILE_INVALID', message, {
    context: { setting },
    hint: 'write characters like @ : / ? # % of a user or password as %40 %3A %2F %3F %23 %25',
  });
}

/** Both mean the same, as in Go: the proxy resolves names. */
const SOCKS5: ReadonlySet<string> = new Set(['socks5:', 'socks5h:']);
/** The schemes of SOCKS 4 that curl knows. */
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

/** Control characters, and a colon in the user name, are refused. https://www.rfc-editor.org/rfc/rfc7617#section-2 */
function basicCredentials({ username, password }: URL, setting: string): string | undefined {
  if (username === '' && password === '') return undefined;
  const user = decode(username, setting);
  const pair = `${user}:${decode(password, setting)}`;
  if (user.includes(':') || /[\u0000-\u001f\u007f]/.test(pair)) return refuse(setting);
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}

/** The user name has 1 to 255 bytes, and the password at most 255. https://www.rfc-editor.org/rfc/rfc1929 */
function socksAccount({ username, password }: URL, setting: string): SocksProxy['account'] {
  if (username === '' && password === '') return undefined;
  const account = { username: decode(username, setting), password: decode(password, setting) };
  const [user, secret] = [Buffer.byteLength(account.username), Buffer.byteLength(account.password)];
  if (user === 0 || user > MAX_SOCKS_FIELD || secret > MAX_SOCKS_FIELD) return refuse(setting);
  return account;
}

/** The host is parsed once more as one of http, since the URL parser does not check hosts of schemes unknown to it. */
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
 * Parses the URL of a proxy. The default scheme is http, as in curl and Go. `setting` is named in messages. Throws
 * `CONFIG_FILE_INVALID`, and `CONFIG_UNSUPPORTED` for SOCKS 4.
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
