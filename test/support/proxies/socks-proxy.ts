import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface SocksQuestion {
  readonly kind: 'ipv4' | 'ipv6' | 'name';
  readonly host: string;
  readonly port: number;
}

/** Bytes to send instead of an answer; `close` then ends the connection. */
export interface OddAnswer {
  /** The answer to replace: to the greeting, to the password, or to the request. */
  readonly to: 'greeting' | 'password' | 'request';
  readonly bytes: readonly number[];
  readonly close?: boolean;
}

export interface SocksProxyOptions {
  readonly account?: { readonly username: string; readonly password: string };
  readonly odd?: OddAnswer;
  /** Answers go out one byte at a time. */
  readonly isSlow?: boolean;
  /** How the address in the last answer is written. */
  readonly boundAs?: 'ipv4' | 'ipv6' | 'name';
}

const BOUND: Readonly<Record<'ipv4' | 'ipv6' | 'name', readonly number[]>> = {
  ipv4: [1, 0, 0, 0, 0],
  ipv6: [4, ...new Array<number>(16).fill(0)],
  name: [3, 3, 0x61, 0x2e, 0x62],
};

/** Reads bytes from a socket in the portions that are requested. */
class Wire {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async take(length: number): Promise<Buffer> {
    for (;;) {
      const bytes: Buffer | null = length === 0 ? Buffer.alloc(0) : this.#socket.read(length);
      if (bytes !== null) return bytes;
      await once(this.#socket, 'readable');
    }
  }
}

/** A SOCKS 5 proxy whose resolver knows what `routes` says; all other ports are this machine's. Misbehaves on demand. */
export class SocksProxy implements AsyncDisposable {
  readonly questions: SocksQuestion[] = [];
  /** `user:password` of each client that sent one. */
  readonly accounts: string[] = [];
  /** `host:port` → port. */
  readonly routes = new Map<string, number>();
  readonly #options: SocksProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: SocksProxyOptions) {
    this.#options = options;
    this.#server = createServer((client) => {
      this.#track(client);
      // A client that goes away ends its own conversation.
      this.#serve(client).catch(() => client.destroy());
    });
  }

  static async start(options: SocksProxyOptions = {}): Promise<SocksProxy> {
    const proxy = new SocksProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
  }

  async #serve(client: Socket): Promise<void> {
    const wire = new Wire(client);
    const [, count = 0] = await wire.take(2);
    const methods = await wire.take(count);
    const { account } = this.#options;
    const method = account === undefined ? 0 : 2;
    if (!(await this.#answer(client, 'greeting', [5, methods.includes(method) ? method : 0xff]))) return;
    if (account !== undefined && !(await this.#checkAccount(client, wire))) return;
    const question = await this.#readQuestion(wire);
    this.questions.push(question);
    const { boundAs = 'ipv4' } = this.#options;
    const upstream = connect(this.routes.get(`${question.host}:${question.port}`) ?? question.port, '127.0.0.1');
    this.#track(upstream);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    await once(upstream, 'connect');
    if (!(await this.#answer(client, 'request', [5, 0, 0, ...BOUND[boundAs], 0, 0]))) return;
    client.pipe(upstream);
    upstream.pipe(client);
  }

  async #checkAccount(client: Socket, wire: Wire): Promise<boolean> {
    const [, userLength = 0] = await wire.take(2);
    const username = (await wire.take(userLength)).toString();
    const [passwordLength = 0] = await wire.take(1);
    const password = (await wire.take(passwordLength)).toString();
    this.accounts.push(`${username}:${password}`);
    const { account } = this.#options;
    const isRight = account?.username === username && account.password === password;
    return (await this.#answer(client, 'password', [1, isRight ? 0 : 1])) && isRight;
  }

  async #readQuestion(wire: Wire): Promise<SocksQuestion> {
    const [, , , kind] = await wire.take(4);
    const [length = 0] = kind === 3 ? await wire.take(1) : [kind === 1 ? 4 : 16];
    const address = await wire.take(length);
    const port = (await wire.take(2)).readUInt16BE();
    if (kind === 3) return { kind: 'name', host: address.toString(), port };
    if (kind === 1) return { kind: 'ipv4', host: [...address].join('.'), port };
    return { kind: 'ipv6', host: address.toString('hex'), port };
  }

  /** Whether the conversation goes on. */
  async #answer(client: Socket, to: OddAnswer['to'], right: readonly number[]): Promise<boolean> {
    const { odd, isSlow = false } = this.#options;
    const isOdd = odd?.to === to;
    const bytes = Buffer.from(isOdd ? odd.bytes : right);
    for (const part of isSlow ? [...bytes].map((byte) => Buffer.from([byte])) : [bytes]) {
      client.write(part);
      // Each byte is sent as a segment of its own.
      if (isSlow) await new Promise(setImmediate);
    }
    if (isOdd && odd.close) client.end();
    return !isOdd;
  }
}
