import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Fault, FaultAction, InjectedFault } from './registry-fault.ts';

export type { Fault, FaultAction, InjectedFault } from './registry-fault.ts';

export interface RecordedRequest {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export type FakeAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | {
      readonly kind: 'bearer';
      /** `user:password`; every request gets a token when absent. */
      readonly account?: string;
      readonly identityToken?: string;
      readonly expiresInSeconds?: number;
      readonly tokenField?: 'token' | 'access_token';
      /** A realm other than this server's own /token. */
      readonly realm?: string;
      /** The scope without which a request is refused as insufficient. */
      readonly requiredScope?: string;
    };

export interface FakeRegistryOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly auth?: FakeAuth;
  /** Lists what refers to a manifest, so many on a page; there is no such list when absent. */
  readonly referrersPerPage?: number;
}

interface AskedReferrers {
  readonly repository: string;
  readonly subject: string;
  readonly url: URL;
  readonly perPage: number;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

function registryError(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return json(status, { errors: [{ code, message: `${code.toLowerCase().replaceAll('_', ' ')}` }] }, headers);
}

/** A registry in this process that serves what it is given, checks credentials, and misbehaves on demand. */
export class FakeRegistry {
  readonly requests: RecordedRequest[] = [];
  /** Responses whose last byte has left this process. */
  finishedResponses = 0;
  /** Number of connections so far, whatever their outcome. */
  connections = 0;
  readonly #options: FakeRegistryOptions;
  readonly #server: ReturnType<typeof createHttpServer>;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  readonly #faults: (Pick<Fault, 'match' | 'range' | 'action'> & { left: number; hits: number })[] = [];
  readonly #tokens = new Map<string, string>();
  #issued = 0;
  readonly #openResponses = new Set<ServerResponse>();

  constructor(options: FakeRegistryOptions) {
    this.#options = options;
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#receive(request, response);
    this.#server = options.tls ? createHttpsServer(options.tls, listener) : createHttpServer(listener);
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  async listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(0, '127.0.0.1', resolve);
    await promise;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Address and port, as in a reference. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get origin(): string {
    return `${this.#options.tls ? 'https' : 'http'}://${this.host}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  addBlob(bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, Buffer.from(bytes));
    return digest;
  }

  addManifest(repository: string, bytes: Uint8Array, mediaType: string, tag?: string): string {
    const digest = digestOf(bytes);
    for (const name of tag === undefined ? [digest] : [digest, tag]) {
      this.#manifests.set(`${repository}/${name}`, { bytes: Buffer.from(bytes), mediaType });
    }
    return digest;
  }

  /** Faults apply in the order they were injected. */
  inject({ times = 1, ...concerned }: Fault): InjectedFault {
    const fault = { ...concerned, left: times, hits: 0 };
    this.#faults.push(fault);
    return fault;
  }

  /** Removes all injected faults. */
  forgetFaults(): void {
    this.#faults.length = 0;
  }

  /** Resolves when no response, or part of one, is outstanding any more. */
  async settled(): Promise<void> {
    for (const response of this.#openResponses) await once(response, 'close');
  }

  /** Resolves when the last client has closed its connection. */
  async disconnected(): Promise<void> {
    for (const socket of this.#sockets) await once(socket, 'close');
  }

  /** A token that was not handed out here is good for this scope. */
  allowToken(token: string, scope: string): void {
    this.#tokens.set(token, scope);
  }

  /** From now on every token handed out so far is refused. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  requestsTo(match: RegExp): readonly RecordedRequest[] {
    return this.requests.filter((request) => match.test(request.url));
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('finish', () => {
      this.finishedResponses += 1;
    });
    this.#openResponses.add(response);
    response.on('close', () => this.#openResponses.delete(response));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const recorded = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body: Buffer.concat(chunks).toString(),
    };
    this.requests.push(recorded);
    const { url, headers } = recorded;
    const fault = this.#faults.find(
      ({ match, range, left }) =>
        left > 0 && match.test(url) && (range === undefined || range.test(headers['range'] ?? '')),
    );
    if (fault === undefined) return this.#send(response, this.#answer(recorded));
    fault.left -= 1;
    fault.hits += 1;
    this.#misbehave(response, recorded, fault.action);
  }

  #answer(request: RecordedRequest): Answer {
    const url = new URL(request.url, this.origin);
    if (url.pathname === '/token') return this.#answerToken(request, url);
    const refusal = this.#refusal(request, url);
    if (refusal !== undefined) return refusal;
    if (url.pathname === '/v2/') return json(200, {});
    const blob = /^\/v2\/.+\/blobs\/(.+)$/.exec(url.pathname)?.[1];
    if (blob !== undefined) return this.#answerBlob(blob, request.headers);
    const [, parent, subject] = /^\/v2\/(.+)\/referrers\/(.+)$/.exec(url.pathname) ?? [];
    if (parent !== undefined && subject !== undefined && this.#options.referrersPerPage !== undefined)
      return this.#answerReferrers({ repository: parent, subject, url, perPage: this.#options.referrersPerPage });
    const [, repository, name] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(url.pathname) ?? [];
    const manifest = this.#manifests.get(`${repository}/${name}`);
    if (manifest === undefined) return registryError(404, 'MANIFEST_UNKNOWN');
    const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': digestOf(manifest.bytes) };
    return { status: 200, headers, body: manifest.bytes };
  }

  /** https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers */
  #answerReferrers({ repository, subject, url, perPage }: AskedReferrers): Answer {
    const from = Number(url.searchParams.get('from') ?? 0);
    const stored = [...this.#manifests].filter(([name]) => name.startsWith(`${repository}/sha256:`));
    const referrers = stored
      .map(([, { bytes, mediaType }]) => ({ bytes, mediaType, document: JSON.parse(bytes.toString()) }))
      .filter(({ document }) => document.subject?.digest === subject);
    const manifests = referrers.slice(from, from + perPage).map(({ bytes, mediaType, document }) => {
      const { artifactType = document.config?.mediaType } = document;
      return { mediaType, digest: digestOf(bytes), size: bytes.length, artifactType };
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const link = { link: `<${url.pathname}?from=${from + perPage}>; rel="next"` };
    const headers = { 'content-type': mediaType, ...(from + perPage < referrers.length ? link : {}) };
    return json(200, { schemaVersion: 2, mediaType, manifests }, headers);
  }

  /** https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5: the whole for a range of what is not there any more. */
  #answerBlob(digest: string, { range = '', 'if-range': ifRange }: RecordedRequest['headers']): Answer {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) return registryError(404, 'BLOB_UNKNOWN');
    const etag = `"${digest}"`;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
    if (first === undefined || (ifRange !== undefined && ifRange !== etag)) {
      return { status: 200, headers: { 'content-type': 'application/octet-stream', etag }, body: bytes };
    }
    const start = Number(first);
    if (start >= bytes.length) return registryError(416, 'RANGE_INVALID');
    const end = Math.min(bytes.length, last ? Number(last) + 1 : bytes.length);
    const headers = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, etag };
    return { status: 206, headers, body: bytes.subarray(start, end) };
  }

  #refusal(request: RecordedRequest, url: URL): Answer | undefined {
    const auth = this.#options.auth ?? { kind: 'none' };
    const given = request.headers['authorization'];
    if (auth.kind === 'none') return undefined;
    if (auth.kind === 'basic') {
      const expected = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
      if (given === expected) return undefined;
      return registryError(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="fake registry"' });
    }
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests|referrers)\//.exec(url.pathname)?.[1];
    const needed = auth.requiredScope ?? (repository === undefined ? undefined : `repository:${repository}:pull`);
    const scope = this.#tokens.get(given?.replace(/^Bearer /, '') ?? '');
    if (
      scope !== undefined &&
      (needed === undefined || repository === undefined || scope.split(' ').includes(needed))
    ) {
      return undefined;
    }
    const parameters = [`realm="${auth.realm ?? `${this.origin}/token`}"`, 'service="fake \\"registry\\""'];
    if (repository !== undefined && needed !== undefined) parameters.push(`scope="${needed}"`);
    if (scope !== undefined) parameters.push('error="insufficient_scope"');
    return registryError(401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer ${parameters.join(',')}` });
  }

  #answerToken(request: RecordedRequest, url: URL): Answer {
    const { auth } = this.#options;
    if (auth?.kind !== 'bearer') return registryError(404, 'UNSUPPORTED');
    const form = new URLSearchParams(request.body);
    const basic = Buffer.from(request.headers['authorization']?.replace(/^Basic /, '') ?? '', 'base64').toString();
    const accepted =
      request.method === 'POST'
        ? form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === auth.identityToken
        : auth.account === undefined || basic === auth.account;
    if (!accepted) return registryError(401, 'UNAUTHORIZED');
    const scopes = request.method === 'POST' ? (form.get('scope') ?? '') : url.searchParams.getAll('scope').join(' ');
    this.#issued += 1;
    const token = `token-${this.#issued}`;
    this.#tokens.set(token, scopes);
    const lifetime = auth.expiresInSeconds === undefined ? {} : { expires_in: auth.expiresInSeconds };
    return json(200, { [auth.tokenField ?? 'token']: token, ...lifetime });
  }

  #send(response: ServerResponse, answer: Answer): void {
    response.writeHead(answer.status, { 'content-length': String(answer.body.length), ...answer.headers });
    response.end(answer.body);
  }

  #misbehave(response: ServerResponse, request: RecordedRequest, action: FaultAction): void {
    if (action.kind === 'silence') return;
    if (action.kind === 'hang-up') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (action.kind === 'raw') {
      response.socket?.end(action.bytes, 'latin1');
      return;
    }
    if (action.kind === 'flood') {
      this.#repeat(response, 1, () => response.socket?.write(action.bytes, 'latin1'));
      return;
    }
    if (action.kind === 'answer') {
      const { status, headers = {}, body = '' } = action;
      this.#send(response, { status, headers, body: Buffer.from(body) });
      return;
    }
    const { range: _, ...unranged } = request.headers;
    const answer = this.#answer(action.kind === 'ignore-range' ? { ...request, headers: unranged } : request);
    this.#distort(response, answer, action);
  }

  #distort(
    response: ServerResponse,
    answer: Answer,
    action: Exclude<FaultAction, { kind: 'silence' | 'hang-up' | 'raw' | 'flood' | 'answer' }>,
  ): void {
    const { status, headers, body } = answer;
    const length = { 'content-length': String(body.length) };
    switch (action.kind) {
      case 'ignore-range':
        this.#send(response, answer);
        return;
      case 'alter':
        this.#send(response, { ...answer, body: action.alter(body) });
        return;
      case 'encode': {
        const encoded = { ...headers, 'content-encoding': action.encoding };
        this.#send(response, { status, headers: encoded, body: action.encode(body) });
        return;
      }
      case 'headers': {
        const changed = Object.entries({ ...length, ...headers, ...action.headers }).filter(
          ([, value]) => value !== '',
        );
        response.writeHead(status, Object.fromEntries(changed));
        response.write(body);
        response.end();
        return;
      }
      case 'unframed':
        response.removeHeader('transfer-encoding');
        response.useChunkedEncodingByDefault = false;
        response.shouldKeepAlive = false;
        response.writeHead(status, { ...headers, connection: 'close' });
        response.end(body.subarray(0, action.bytes));
        return;
      case 'chunked':
        response.writeHead(status, { ...headers, 'transfer-encoding': 'chunked' });
        response.end(body.subarray(0, action.bytes));
        return;
      case 'endless':
        response.writeHead(action.status ?? status, { ...headers, 'transfer-encoding': 'chunked' });
        this.#repeat(response, 1, () => response.write(Buffer.alloc(65_536)));
        return;
      case 'hold':
        response.writeHead(status, { ...headers, ...length });
        response.write(body.subarray(0, action.afterBytes));
        void action.until.then(() => response.end(body.subarray(action.afterBytes)));
        return;
      case 'trickle': {
        response.writeHead(status, { ...headers, ...length });
        let sent = 0;
        this.#repeat(response, action.everyMs, () => {
          response.write(body.subarray(sent, sent + action.chunkBytes));
          sent += action.chunkBytes;
          if (sent >= body.length) response.end();
        });
        return;
      }
      default:
        response.writeHead(status, { ...headers, ...length });
        response.write(body.subarray(0, action.afterBytes), () => {
          if (action.kind === 'reset') response.socket?.resetAndDestroy();
          if (action.kind === 'close') response.socket?.end();
        });
        response.flushHeaders();
    }
  }

  #repeat(response: ServerResponse, everyMs: number, action: () => void): void {
    const timer = setInterval(() => {
      if (response.writableEnded || response.destroyed) clearInterval(timer);
      else if (!response.writableNeedDrain) action();
    }, everyMs);
    this.#timers.add(timer);
  }
}

/** Starts a registry on a free port of loopback; the caller closes it. */
export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const registry = new FakeRegistry(options);
  await registry.listen();
  return registry;
}
