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

/** Reads just as many bytes as are wanted, and leaves the rest on the socket. */
function read(socket: Socket, length: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const take = (): void => {
    const bytes: Buffer | null = socket.read(length);
    if (bytes === null) return;
    leave();
    if (bytes.length === length) resolve(bytes);
    // At the end what is left is given, however little.
    else reject(new Error('the proxy closed the connection in the middle of an answer'));
  };
  const fail = (error: Error): void => {
    leave();
    reject(error);
  };
  const end = (): void => fail(new Error('the proxy closed the connection'));
  // At once, and not when the promise is looked at: one more look would take bytes that are not ours.
  const leave = (): void => {
    socket.off('readable', take).off('error', fail).off('close', end).off('end', end);
  };
  socket.on('readable', take).on('error', fail).on('close', end).on('end', end);
  // One that broke off between two answers says so no more.
  if (socket.destroyed) end();
  else take();
  return promise;
}

/** https://www.rfc-editor.org/rfc/rfc1929 */
async function authenticate(socket: Socket, { proxy }: SocksRequest): Promise<void> {
  const { account } = proxy;
  if (account === undefined) throw brokenSocks(proxy, 'requires a password although none was offered');
  const [user, password] = [Buffer.from(account.username), Buffer.from(account.password)];
  socket.write(Buffer.from([PASSWORD_VERSION, user.length, ...user, password.length, ...password]));
  const [version, status] = await read(socket, 2);
  if (version !== PASSWORD_VERSION) throw brokenSocks(proxy, `answered a password with version ${version}`);
  if (status !== 0) throw socksAuthRefused(proxy);
}

/** https://www.rfc-editor.org/rfc/rfc1928#section-3 */
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
  // The proxy looks it up: with either way of writing the scheme, as Go has it.
  if (name.length > MAX_NAME_LENGTH) throw nameTooLong(proxy, name.length);
  return Buffer.from([NAME, name.length, ...name]);
}

/** As the URL parser writes addresses: hexadecimal words, the longest run of zeros left out. */
function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (text = ''): number[] => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail)];
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 0xff]));
}

/** https://www.rfc-editor.org/rfc/rfc1928#section-4 and 6; the address in the answer is of no use to us. */
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
  // The server speaks second in TLS and in HTTP, so nobody but the proxy can have said this.
  if (socket.readableLength > 0) throw unexpectedBytes(request.proxy);
}

/** Asks a SOCKS proxy for a tunnel. Each answer has a length that was known before, 262 bytes at most. */
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
