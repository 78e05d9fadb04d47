import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Alteration =
  /** Inverts the lowest bit of one byte. */
  | { readonly kind: 'flip'; readonly at: number }
  /** Leaves out the last bytes. `length` says what Content-Length becomes. */
  | { readonly kind: 'truncate'; readonly bytes: number; readonly length: 'true' | 'kept' }
  | { readonly kind: 'append'; readonly bytes: Uint8Array };

export interface TamperRule {
  /** Part of the request's path, for example a digest. */
  readonly path: string;
  readonly alteration: Alteration;
}

/** A request that passed, as the registry received it. */
export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export interface TamperProxy extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
  readonly requests: readonly PassedRequest[];
  /** Responses that went out altered since the last `setRules`. */
  readonly alteredCount: number;
  /** Replaces the rules and forgets the requests. */
  setRules(rules: readonly TamperRule[]): void;
  /** Called before a request is passed on; the request waits for it. */
  holdRequests(hold: ((path: string) => Promise<void>) | undefined): void;
  stop(): Promise<void>;
}

/** Answers a request itself and returns true, or leaves it to be passed on. */
export type Intercept = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

/** A reverse proxy before a registry on loopback, that counts what passes and alters what its rules name. Streams. */
export async function startTamperProxy(upstreamHost: string, intercept?: Intercept): Promise<TamperProxy> {
  const requests: PassedRequest[] = [];
  let rules: readonly TamperRule[] = [];
  let alteredCount = 0;
  let hold: ((path: string) => Promise<void>) | undefined;

  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    if (intercept?.(incoming, outgoing)) {
      requests.push(describe(incoming, path, outgoing.statusCode));
      return;
    }
    const passOn = (): void => forward(upstreamHost, incoming, outgoing, (answer) => respond(answer, path));
    const respond = (answer: IncomingMessage, askedPath: string): void => {
      requests.push(describe(incoming, askedPath, answer.statusCode ?? 0));
      const isBody = incoming.method === 'GET' && (answer.statusCode === 200 || answer.statusCode === 206);
      const rule = isBody ? rules.find((each) => askedPath.includes(each.path)) : undefined;
      if (rule === undefined) {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      alteredCount += 1;
      sendAltered(answer, outgoing, rule.alteration);
    };
    if (hold === undefined) passOn();
    else hold(path).then(passOn, () => outgoing.destroy());
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    host,
    url: `http://${host}`,
    requests,
    get alteredCount() {
      return alteredCount;
    },
    setRules(next) {
      rules = next;
      alteredCount = 0;
      requests.length = 0;
    },
    holdRequests(next) {
      hold = next;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Downloads of `digest` that were answered with content. */
export function countFetches(proxy: Pick<TamperProxy, 'requests'>, digest: string): number {
  return proxy.requests.filter(({ path, status, method }) => method === 'GET' && status < 300 && path.endsWith(digest))
    .length;
}

function forward(
  upstreamHost: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onAnswer: (answer: IncomingMessage) => void,
): void {
  const [hostname = '', port = ''] = upstreamHost.split(':');
  const { method, url: path, headers } = incoming;
  const upstream = request({ hostname, port, method, path, headers }, (answer) => {
    answer.on('error', () => outgoing.destroy());
    onAnswer(answer);
  });
  upstream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => upstream.destroy());
  incoming.pipe(upstream);
}

function describe(incoming: IncomingMessage, path: string, status: number): PassedRequest {
  const { range, authorization } = incoming.headers;
  return { method: incoming.method ?? 'GET', path, status, range, authorization };
}

function sendAltered(answer: IncomingMessage, outgoing: ServerResponse, alteration: Alteration): void {
  const length = Number(answer.headers['content-length']);
  const start = Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? 0);
  outgoing.writeHead(answer.statusCode ?? 502, {
    ...answer.headers,
    'content-length': String(alteredLength(length, alteration)),
  });
  const keep = alteration.kind === 'truncate' ? Math.max(0, length - alteration.bytes) : length;
  let position = 0;
  answer.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, keep - position));
    if (alteration.kind === 'flip') flipAt(part, alteration.at - start - position);
    position += chunk.length;
    if (part.length > 0 && !outgoing.write(part)) {
      answer.pause();
      outgoing.once('drain', () => answer.resume());
    }
  });
  answer.on('end', () => {
    if (alteration.kind === 'append') outgoing.end(alteration.bytes);
    else if (alteration.kind === 'truncate' && alteration.length === 'kept') outgoing.destroy();
    else outgoing.end();
  });
}

function alteredLength(length: number, alteration: Alteration): number {
  if (alteration.kind === 'append') return length + alteration.bytes.length;
  if (alteration.kind === 'truncate' && alteration.length === 'true') return Math.max(0, length - alteration.bytes);
  return length;
}

function flipAt(chunk: Buffer, index: number): void {
  const byte = chunk[index];
  if (index >= 0 && byte !== undefined) chunk[index] = byte ^ 1;
}
