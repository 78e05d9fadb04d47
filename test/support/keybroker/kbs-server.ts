import type { KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { sealAnswer } from './seal-answer.ts';

interface KbsRequest {
  readonly path: string;
  readonly authorization: string | undefined;
}

/** A key broker on loopback that speaks https, and gives its resources to clients with a token that it accepts. */
export class KbsServer implements AsyncDisposable {
  /** By `plugin/path?query`. */
  readonly resources = new Map<string, Uint8Array>();
  readonly requests: KbsRequest[] = [];
  /** Returns whether a token counts. */
  accepts: (token: string) => boolean = () => true;
  /** When set, it answers every request that comes with a token. */
  misbehave: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** The key that answers are encrypted for. */
  publicKey: KeyObject;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(tls: { readonly key: string; readonly cert: string }, publicKey: KeyObject) {
    this.publicKey = publicKey;
    this.#server = createServer(tls, (request, response) => this.#answer(request, response));
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(tls: { readonly key: string; readonly cert: string }, publicKey: KeyObject): Promise<KbsServer> {
    const started = new KbsServer(tls, publicKey);
    const { promise, resolve } = Promise.withResolvers<void>();
    started.#server.listen(0, '127.0.0.1', resolve);
    await promise;
    return started;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    const { authorization } = request.headers;
    this.requests.push({ path, authorization });
    const token = authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : undefined;
    if (token === undefined || !this.accepts(token)) refuse(response, 401, `token ${token} is not valid`);
    else if (this.misbehave !== undefined) this.misbehave(request, response);
    else this.#serve(this.resources.get(path.replace(/^\/kbs\/v0\//, '')), response);
  }

  #serve(resource: Uint8Array | undefined, response: ServerResponse): void {
    if (resource === undefined) {
      refuse(response, 404, 'no such resource');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(sealAnswer(resource, this.publicKey)));
  }
}

/** Answers as Trustee does. */
export function refuse(response: ServerResponse, status: number, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ type: 'https://github.com/confidential-containers/kbs/errors/Refused', detail }));
}
