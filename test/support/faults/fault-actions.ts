import type { FakeRegistry, FaultAction } from '../registries/fake-registry.ts';

/** Where in a pull a registry can do something wrong, in the order of asking. */
export const FAULT_POINTS = ['ping', 'token', 'index', 'manifest', 'config', 'layer'] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** What an action may depend on. */
export interface FaultScene {
  readonly registry: FakeRegistry;
  /** Another registry with the same image, which requires no credentials. */
  readonly storage: FakeRegistry;
  /** Path of the request concerned. */
  readonly path: string;
  /** Bytes of the right answer. */
  readonly size: number;
}

/** Makes the actions for one request after the other; the last one is repeated. */
type Make = (scene: FaultScene) => FaultAction | readonly FaultAction[];

const HTML = '<html><head><title>Sign in</title></head><body>Accept the terms of this network.</body></html>';

function answer(status: number, headers: Record<string, string> = {}, body = ''): Make {
  return () => ({ kind: 'answer', status, headers, body });
}

function headers(changed: Record<string, string>): Make {
  return () => ({ kind: 'headers', headers: changed });
}

function raw(...lines: readonly string[]): Make {
  return () => ({ kind: 'raw', bytes: lines.join('\r\n') });
}

function redirect(location: (scene: FaultScene) => string): Make {
  return (scene) => ({ kind: 'answer', status: 307, headers: { location: location(scene) } });
}

function challenge({ registry }: FaultScene): FaultAction {
  const headers = { 'www-authenticate': `Bearer realm="${registry.origin}/token",service="fake"` };
  return { kind: 'answer', status: 401, headers };
}

/** Ends the connection after a quarter of the body, so that three responses together are not the whole. */
function breakingOff(kind: 'reset' | 'close' | 'stall'): Make {
  return ({ size }) => ({ kind, afterBytes: Math.floor(size / 4) });
}

/** Breaks off the first response, and answers the client's request for the rest wrongly. */
function resuming(...actions: readonly FaultAction[]): Make {
  return ({ size }) => [{ kind: 'close', afterBytes: Math.floor(size / 2) }, ...actions];
}

const WRONG_RANGE = { 'content-range': 'bytes 0-9/10' };

export const FAULT_ACTIONS = {
  // Wrong statuses.
  '401 whatever the token': challenge,
  '401 without a challenge': answer(401),
  'status 403': answer(403),
  'status 404': answer(404),
  'status 400': answer(400),
  'status 204': answer(204),
  'status 408': answer(408),
  'status 429': answer(429),
  'status 429, Retry-After in seconds': answer(429, { 'retry-after': '1' }),
  'status 429, Retry-After as a date': answer(429, { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }),
  'status 429, Retry-After of 30 years': answer(429, { 'retry-after': '999999999' }),
  'status 429, Retry-After that is no time': answer(429, { 'retry-after': '-99999999999999999999' }),
  'status 500': answer(500),
  'status 502': answer(502, { 'content-type': 'text/html' }, HTML),
  'status 503': answer(503),
  'status 504': answer(504),
  '404 with an endless body': () => ({ kind: 'endless', status: 404 }),
  '503 with an endless body': () => ({ kind: 'endless', status: 503 }),

  // Broken connections.
  'reset before the head': () => ({ kind: 'hang-up' }),
  'close before the head': raw(''),
  'reset behind the head': () => ({ kind: 'reset', afterBytes: 0 }),
  'reset after one byte': () => ({ kind: 'reset', afterBytes: 1 }),
  'reset in the middle': breakingOff('reset'),
  'reset before the last byte': ({ size }) => ({ kind: 'reset', afterBytes: size - 1 }),
  'close behind the head': () => ({ kind: 'close', afterBytes: 0 }),
  'close in the middle': breakingOff('close'),
  'close before the last byte': ({ size }) => ({ kind: 'close', afterBytes: size - 1 }),
  'silence before the head': () => ({ kind: 'silence' }),
  'silence behind the head': () => ({ kind: 'stall', afterBytes: 0 }),
  'silence in the middle': breakingOff('stall'),
  'a byte now and then': () => ({ kind: 'trickle', chunkBytes: 1, everyMs: 160 }),
  'a tenth now and then': ({ size }) => ({ kind: 'trickle', chunkBytes: Math.ceil(size / 10), everyMs: 280 }),

  // Wrong framing of the response.
  'Content-Length too short': ({ size }) => ({ kind: 'headers', headers: { 'content-length': `${size - 1}` } }),
  'Content-Length too long': ({ size }) => ({ kind: 'headers', headers: { 'content-length': `${size + 1}` } }),
  'Content-Length beyond the limit': headers({ 'content-length': '99999999999' }),
  'Content-Length negative': headers({ 'content-length': '-1' }),
  'two Content-Lengths': raw('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2', '', 'ab'),
  'no Content-Length, chunks': ({ size }) => ({ kind: 'chunked', bytes: size }),
  'no Content-Length, closed at the end': ({ size }) => ({ kind: 'unframed', bytes: size }),
  'chunks that end early': ({ size }) => ({ kind: 'chunked', bytes: size - 1 }),
  'a chunk size that is no number': raw('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', 'zz', 'ab', '0', '', ''),
  'an endless body': () => ({ kind: 'endless' }),
  'no HTTP': raw('SSH-2.0-OpenSSH_9.9', ''),
  'a head of 1 MB': raw('HTTP/1.1 200 OK', `X-Padding: ${'x'.repeat(1 << 20)}`, '', ''),
  'a head of 50 000 lines': raw('HTTP/1.1 200 OK', ...Array.from({ length: 50_000 }, (_, at) => `X-${at}: x`), '', ''),
  'status 103 without an end': () => ({ kind: 'flood', bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50) }),
  'status 100 without an end': () => ({ kind: 'flood', bytes: 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50) }),
  'status 101': raw('HTTP/1.1 101 Switching Protocols', 'Connection: upgrade', 'Upgrade: h2c', '', ''),
  'Content-Encoding gzip': headers({ 'content-encoding': 'gzip' }),

  // Wrong answers to a resumed request.
  'a break, then 200 to the Range': resuming({ kind: 'ignore-range' }),
  'a break, then a wrong Content-Range': resuming({ kind: 'headers', headers: WRONG_RANGE }),
  'a break, then no Content-Range': resuming({ kind: 'headers', headers: { 'content-range': '' } }),
  'a break, then status 416': resuming({ kind: 'answer', status: 416 }, { kind: 'ignore-range' }),
  'a break, then status 404': resuming({ kind: 'answer', status: 404 }),
  'status 206 without a request for a range': answer(206, { 'content-range': 'bytes 0-0/1' }, 'a'),

  // Redirects.
  'redirect to another origin': redirect(({ storage, path }) => `${storage.origin}${path}`),
  'redirect to itself': redirect(({ path }) => path),
  'redirect without a Location': answer(302),
  'redirect to a file': redirect(() => 'file:///etc/passwd'),
  'redirect with a password': redirect(({ storage, path }) => `http://user:secret@${storage.host}${path}`),

  // Wrong content.
  'HTML of a captive portal': answer(200, { 'content-type': 'text/html' }, HTML),
  'an empty body': answer(200),
  'an array instead of an object': answer(200, { 'content-type': 'application/json' }, '[]'),
  'duplicate JSON keys': answer(200, { 'content-type': 'application/json' }, '{"token":"a","token":"b"}'),
  'another digest in its header': headers({ 'docker-content-digest': `sha256:${'0'.repeat(64)}` }),
  'a digest in its header that is none': headers({ 'docker-content-digest': 'latest' }),
  'one bit changed': () => ({ kind: 'alter', alter: flipMiddle }),
  'one byte less': () => ({ kind: 'alter', alter: (body) => body.subarray(0, -1) }),
  'one byte more': () => ({ kind: 'alter', alter: (body) => Buffer.concat([body, Buffer.from(' ')]) }),
} as const satisfies Record<string, Make>;

export type FaultName = keyof typeof FAULT_ACTIONS;

/** Returns the actions for one request after the other; the last one is repeated. */
export function actionsOf(fault: FaultName, scene: FaultScene): readonly FaultAction[] {
  const make: Make = FAULT_ACTIONS[fault];
  return [make(scene)].flat();
}

function flipMiddle(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const middle = changed.length >> 1;
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  return changed;
}
