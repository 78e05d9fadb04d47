import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ProxyRequest {
  readonly method: string;
  /** `host:port` of a CONNECT, else the whole URL. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

export type ProxyFault =
  | { readonly kind: 'answer'; readonly status: number }
  /** Written instead of an answer, one byte for a character; then the connection is kept open or closed. */
  | { readonly kind: 'raw'; readonly bytes: string; readonly close: boolean }
  | { readonly kind: 'silence' }
  /** Grants the tunnel and ends it with the first byte that comes through. */
  | { readonly kind: 'cut' };

export interface ForwardProxyOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** `user:password` that it wants. */
  readonly account?: string;
}

/**
 * A proxy as an operator runs one: tunnels for https, whole URLs for http. It is its own resolver: every name and address
 * is this machine, at the port of the URL unless `routes` has another.
 */
export class ForwardProxy implements AsyncDisposable {
  readonly requests: ProxyRequest[] = [];
  /** Bytes that left tunnels on their way to a server. */
  readonly tunnelled: Buffer[] = [];
  /** `host:port` → port. */
  readonly routes = new Map<string, number>();
  readonly #options: ForwardProxyOptions;
  readonly #server: ReturnType<typeof createHttpServer>;
  readonly #sockets = new Set<Socket>();
  readonly #faults: ProxyFault[] = [];

  private constructor(options: ForwardProxyOptions) {
    this.#options = options;
    this.#server = options.tls ? createHttpsServer(options.tls) : createHttpServer();
    this.#server.on('connection', (socket: Socket) => this.#track(socket));
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('connect', (incoming: IncomingMessage, client: Socket) => this.#tunnel(incoming, client));
    this.#server.on('request', (incoming: IncomingMessage, outgoing: ServerResponse) => this.#pass(incoming, outgoing));
  }

  static async start(options: ForwardProxyOptions = {}): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(options);
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://${this.host}`;
  }

  /** Returns the URL with this text before the host. */
  urlWith(userinfo: string): string {
    return this.url.replace('://', `://${userinfo}@`);
  }

  /** From clients and to servers. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Each fault spoils one request, in their order. */
  inject(...faults: readonly ProxyFault[]): void {
    this.#faults.push(...faults);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #track(socket: Socket): void {
    // A connection that is kept alive is reported again with each request.
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #record({ method = '', url = '', headers }: IncomingMessage): void {
    this.requests.push({ method, target: url, headers });
  }

  #isWelcome({ headers }: IncomingMessage): boolean {
    const { account } = this.#options;
    return (
      account === undefined || headers['proxy-authorization'] === `Basic ${Buffer.from(account).toString('base64')}`
    );
  }

  #portFor({ host, hostname, port }: URL): number {
    return this.routes.get(port === '' ? `${hostname}:80` : host) ?? Number(port || 80);
  }

  #tunnel(incoming: IncomingMessage, client: Socket): void {
    // An HTTP server leaves its half of a connection open when the client has ended the other.
    client.on('error', () => undefined).on('end', () => client.destroy());
    client.resume();
    this.#record(incoming);
    const fault = this.#faults.shift();
    if (fault?.kind === 'silence') return;
    if (fault?.kind === 'raw') {
      client.write(fault.bytes, 'latin1', () => fault.close && client.destroy());
      return;
    }
    const status = fault?.kind === 'answer' ? fault.status : this.#isWelcome(incoming) ? 200 : 407;
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`);
      return;
    }
    if (fault?.kind === 'cut') {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.once('data', () => client.destroy());
      return;
    }
    this.#join(client, incoming.url ?? '');
  }

  #join(client: Socket, target: string): void {
    const port = this.routes.get(target) ?? Number(/[0-9]+$/.exec(target)?.[0]);
    const server = connect(port, '127.0.0.1', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
    this.#track(server);
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
    client.on('data', (chunk: Buffer) => {
      this.tunnelled.push(chunk);
      server.write(chunk);
    });
    server.pipe(client);
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#record(incoming);
    const fault = this.#faults.shift();
    if (fault?.kind === 'silence') return;
    if (!this.#isWelcome(incoming) || fault?.kind === 'answer') {
      outgoing.writeHead(fault?.kind === 'answer' ? fault.status : 407).end('no');
      return;
    }
    const url = new URL(incoming.url ?? '');
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const onward = request(
      {
        host: '127.0.0.1',
        port: this.#portFor(url),
        path: url.pathname + url.search,
        method: incoming.method,
        headers,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => outgoing.destroy());
        answer.pipe(outgoing);
      },
    );
    onward.on('socket', (socket) => this.#track(socket));
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  }
}
