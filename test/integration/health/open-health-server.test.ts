import { once } from 'node:events';
import { existsSync, lstatSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SealiftError } from '../../../src/errors/index.ts';
import { openHealthServer } from '../../../src/health/index.ts';
import type { HealthServer, ListenAddress } from '../../../src/health/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { healthFacts } from '../../unit/health/health-sample.ts';

let scratch: Scratch;
let server: HealthServer | undefined;
let faults: SealiftError[];

beforeEach(() => {
  scratch = new Scratch('health');
  faults = [];
});

afterEach(() => {
  server?.stop();
  server = undefined;
  scratch[Symbol.dispose]();
});

const unix = (): ListenAddress => ({ kind: 'unix', path: scratch.join('health.sock') });

async function open(address: ListenAddress, limits: Partial<typeof DEFAULT_LIMITS> = {}): Promise<void> {
  server = await openHealthServer({
    address,
    limits: { ...DEFAULT_LIMITS, ...limits },
    ports: {
      facts: () => healthFacts(),
      measureSpace: async () => undefined,
      memory: () => ({ rssBytes: 3, anonymousBytes: 1, fileBytes: 2 }),
      nowMs: () => performance.now(),
    },
    onFault: (error) => faults.push(error),
  });
}

async function ask(address: ListenAddress, path: string, method = 'GET') {
  const where = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const asked = request({ ...where, path, method, agent: false });
  asked.end();
  const [response] = await once(asked, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Opens a connection; `closed` resolves when it ends, with or without an error. */
function dial(path: string): { readonly socket: Socket; readonly closed: Promise<unknown> } {
  const socket = connect(path);
  socket.on('error', () => undefined);
  return { socket, closed: once(socket, 'close') };
}

describe('openHealthServer', () => {
  it('answers on a unix socket that is for root alone, one request a connection', async () => {
    await open(unix());
    expect(lstatSync(scratch.join('health.sock')).mode & 0o777).toBe(0o600);
    const health = await ask(unix(), '/healthz');
    expect(health).toMatchObject({ status: 200, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(JSON.parse(health.body)).toMatchObject({ schema: 1, status: 'ok' });
    expect((await ask(unix(), '/metrics')).body).toContain('# TYPE sealift_pulls_total counter\n');
    expect(await ask(unix(), '/metrics', 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect((await ask(unix(), '/nothing')).status).toBe(404);
  });

  it('answers on a port of loopback, and on no other address', async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: await freePort() } as const;
    await open(address);
    expect((await ask(address, '/healthz')).status).toBe(200);
    const elsewhere = connect(address.port, '127.0.0.2');
    const [error] = await once(elsewhere, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('takes its socket away when it is stopped, and ends connections that are open', async () => {
    await open(unix());
    const { socket, closed } = dial(scratch.join('health.sock'));
    await once(socket, 'connect');
    server?.stop();
    await closed;
    expect(existsSync(scratch.join('health.sock'))).toBe(false);
  });

  it('leaves another file in its place as it is', async () => {
    writeFileSync(scratch.join('health.sock'), 'a file');
    const error = await expectFailure('HEALTH_SOCKET_INVALID', () => open(unix()));
    expect(error.message).toContain('expected a socket or nothing');
    expect(statSync(scratch.join('health.sock')).size).toBe(6);
  });

  it('says that a port is taken', async () => {
    const port = await freePort();
    await open({ kind: 'tcp', host: '127.0.0.1', port });
    const first = server;
    await expectFailure('HEALTH_SOCKET_INVALID', () => open({ kind: 'tcp', host: '127.0.0.1', port }));
    server = first;
  });

  it('turns away whoever comes when all places are taken, and serves again when one is free', async () => {
    await open(unix(), { maxHealthConnections: 2 });
    const path = scratch.join('health.sock');
    const held = [dial(path), dial(path)];
    await Promise.all(held.map(({ socket }) => once(socket, 'connect')));
    await dial(path).closed;
    expect(faults.map(({ code }) => code)).toEqual(['HEALTH_REQUEST_REFUSED']);
    for (const { socket } of held) socket.destroy();
    await Promise.all(held.map(({ closed }) => closed));
    await expect.poll(async () => (await ask(unix(), '/healthz').catch(() => undefined))?.status).toBe(200);
  });

  it.each([
    ['says nothing', ''],
    ['never ends its head', 'GET /healthz HTTP/1.1\r\nhost: x\r\n'],
    ['never ends its body', 'POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nx'],
  ])('closes the connection of a client that %s', async (_, bytes) => {
    await open(unix(), { healthTimeoutMs: 1_500 });
    const { socket, closed } = dial(scratch.join('health.sock'));
    socket.resume();
    socket.write(bytes);
    await closed;
    expect((await ask(unix(), '/healthz')).status).toBe(200);
  });

  it.each([
    ['is no HTTP', 'hello\r\n\r\n'],
    ['has a head that is too long', `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(8_000)}\r\n\r\n`],
  ])('closes a connection whose request %s', async (_, bytes) => {
    await open(unix());
    const { socket, closed } = dial(scratch.join('health.sock'));
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.write(bytes);
    await closed;
    expect(answer).toBe('');
    expect(faults.map(({ code }) => code)).toEqual(['HEALTH_REQUEST_REFUSED']);
  });
});
