import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface SeenRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Whether the client has shown a certificate. */
  readonly isCertified: boolean;
}

/** Answers a request in another way than with the file. */
export type Misbehave = (request: IncomingMessage, response: ServerResponse) => void;

/** A lookaside store on loopback: a static web server whose files are in memory. With TLS it asks for a certificate. */
export class SignatureServer implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>();
  readonly requests: SeenRequest[] = [];
  /** When set, it answers every request. */
  misbehave: Misbehave | undefined;
  readonly #server: ReturnType<typeof createHttpServer>;
  readonly #scheme: 'http' | 'https';

  private constructor(tls: { readonly key: string; readonly cert: string } | undefined) {
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server =
      tls === undefined
        ? createHttpServer(listener)
        : createHttpsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, listener);
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<SignatureServer> {
    const started = new SignatureServer(tls);
    const { promise, resolve } = Promise.withResolvers<void>();
    started.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return started;
  }

  /** `HOST:PORT` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `${this.#scheme}://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    const { socket } = request;
    const isCertified = socket instanceof TLSSocket && Object.keys(socket.getPeerCertificate()).length > 0;
    this.requests.push({ path, headers: request.headers, isCertified });
    if (this.misbehave !== undefined) {
      this.misbehave(request, response);
      return;
    }
    const file = this.files.get(path);
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': 'application/octet-stream' });
    response.end(file);
  }
}
