import { isIPv4, isIPv6, type Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { SealiftError } from '../errors/index.ts';
import type { Destroyable, Negotiated } from './dial.ts';
import type { SocksProxy } from './parse-proxy.ts';
import {
  brokenSocks,
  nameTooLong,
  proxyUnreachable,
  socksAuthRefused,
  socksRefusal,
  unexpectedBytes,
} from './proxy-fault.ts';

export interface SocksRequest {
  readonly proxy: SocksProxy;
  readonly target: buildConnector.Options;
}

const VERSION = 5;
const PASSWORD_VERSION = 1;
const NO_PASSWORD = 0;
const PASSWORD = 2;
const NO_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const MAX_NAME_LENGTH = 255;

/** Reads exactly `length` bytes and leaves the rest on the socket. */
function read(socket: Socket, length: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const take = (): void => {
    const bytes: Buffer | null = socket.read(length);
    if (bytes === null) return;
    leave();
    if (bytes.length === length) resolve(bytes);
    // At the end of the stream, `read` returns the remaining bytes even if they are fewer.
    else reject(new Error('the proxy closed the connection in the middle of an answer'));
  };
  const fail = (error: Error): void => {
    leave();
    reject(error);
  };
  const end = (): void => fail(new Error('the proxy closed the connection'));
  // Listeners are removed at once and not when the promise settles, since another read would take bytes that follow.
  const leave = (): void => {
    socket.off('readable', take).off('error', fail).off('close', end).off('end', end);
  };
  socket.on('readable', take).on('error', fail).on('close', end).on('end', end);
  // A socket that was closed between two answers emits no further event.
  if (socket.destroyed) end();
  else take();
  return promise;
}

/** Sends user name and password. https://www.rfc-editor.org/rfc/rfc1929 */
async function authenticate(socket: Socket, { proxy }: SocksRequest): Promise<void> {
  const { account } = proxy;
  if (account === undefined) throw brokenSocks(proxy, 'requires a password although none was offered');
  const [user, password] = [Buffer.from(account.username), Buffer.from(account.password)];
  socket.write(Buffer.from([PASSWORD_VERSION, user.length, ...user, password.length, ...password]));
  const [version, status] = await read(socket, 2);
  if (version !== PASSWORD_VERSION) throw brokenSocks(proxy, `answered a password with version ${version}`);
  if (status !== 0) throw socksAuthRefused(proxy);
}

/** Agrees on an authentication method. https://www.rfc-editor.org/rfc/rfc1928#section-3 */
async function greet(socket: Socket, request: SocksRequest): Promise<void> {
  const { proxy } = request;
  const methods = proxy.account === undefined ? [NO_PASSWORD] : [NO_PASSWORD, PASSWORD];
  socket.write(Buffer.from([VERSION, methods.length, ...methods]));
  const [version, method] = await read(socket, 2);
  if (version !== VERSION) throw brokenSocks(proxy, `answered with version ${version}`);
  if (method === NO_METHOD) throw socksAuthRefused(proxy);
  if (method === PASSWORD) await authenticate(socket, request);
  else if (method !== NO_PASSWORD)
    throw brokenSocks(proxy, `chose the authentication method ${method}, which was not offered`);
}

function addressOf({ proxy, target }: SocksRequest): Buffer {
  const hostname = target.hostname.replace(/^\[|\]$/g, '');
  if (isIPv4(hostname)) return Buffer.from([IPV4, ...hostname.split('.').map(Number)]);
  if (isIPv6(hostname)) return Buffer.concat([Buffer.from([IPV6]), ipv6Bytes(hostname)]);
  const name = Buffer.from(hostname);
  // The proxy resolves the name, for socks5 and socks5h alike, as in Go.
  if (name.length > MAX_NAME_LENGTH) throw nameTooLong(proxy, name.length);
  return Buffer.from([NAME, name.length, ...name]);
}

/** Uses the form in which the URL parser writes an address: hexadecimal words without the longest run of zeros. */
function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (text = ''): number[] => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail)];
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 0xff]));
}

/** Requests the tunnel and ignores the address in the answer. https://www.rfc-editor.org/rfc/rfc1928#section-4 and 6 */
async function connectTo(socket: Socket, request: SocksRequest): Promise<void> {
  const { proxy, target } = request;
  const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
  socket.write(
    Buffer.concat([Buffer.from([VERSION, CONNECT, 0]), addressOf(request), Buffer.from([port >> 8, port & 0xff])]),
  );
  const [version, reply = 0xff, reserved, kind] = await read(socket, 4);
  if (version !== VERSION || reserved !== 0) throw brokenSocks(proxy, 'answered with something other than SOCKS 5');
  if (reply !== 0) throw socksRefusal(proxy, reply);
  await read(socket, (await addressLength(socket, proxy, kind)) + 2);
}

async function addressLength(socket: Socket, proxy: SocksProxy, kind: number | undefined): Promise<number> {
  if (kind === IPV4) return 4;
  if (kind === IPV6) return 16;
  if (kind !== NAME) throw brokenSocks(proxy, `answered with an address of type ${kind}`);
  const [length = 0] = await read(socket, 1);
  return length;
}

async function negotiate(socket: Socket, request: SocksRequest): Promise<void> {
  await greet(socket, request);
  await connectTo(socket, request);
  // In TLS and in HTTP the client speaks first, so these bytes can only come from the proxy.
  if (socket.readableLength > 0) throw unexpectedBytes(request.proxy);
}

/** Requests a tunnel from a SOCKS proxy. The length of each answer is known in advance and is at most 262 bytes. */
export function requestSocksTunnel(socket: Socket, request: SocksRequest, done: Negotiated): Destroyable {
  negotiate(socket, request).then(
    () => done(null, socket),
    (error: unknown) => {
      socket.destroy();
      done(error instanceof SealiftError ? error : proxyUnreachable(request.proxy, error), null);
    },
  );
  return socket;
}
