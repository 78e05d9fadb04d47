import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  callOnce,
  openTtrpcListener,
  openTtrpcServer,
  type Services,
  succeed,
  type TtrpcListener,
} from '../../../src/ttrpc/index.ts';
import { RawPeer, rawCall } from '../../support/daemons/raw-peer.ts';
import { TtrpcFixture } from '../../support/daemons/ttrpc-fixture.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';

const SERVICES: Services = new Map([['test.Service', new Map([['Echo', async ({ payload }) => succeed(payload)]])]]);

function open(path: string, listener?: TtrpcListener) {
  return openTtrpcServer({ path, listener, services: SERVICES, limits: DEFAULT_LIMITS, onFault: () => {} });
}

async function ask(path: string): Promise<string> {
  const call = { service: 'test.Service', method: 'Echo', payload: Buffer.from('hello') };
  return Buffer.from((await callOnce(path, call, DEFAULT_LIMITS)).payload).toString();
}

/** Leaves a socket file without a server, as a killed server does. */
async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }), 'exit');
  expect(lstatSync(path).isSocket()).toBe(true);
}

describe('the socket of a server', () => {
  it('is made with its folder, for its owner only, and nothing else is left there', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('a', 'b', 'test.sock');
    const server = await open(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(lstatSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(readdirSync(dirname(path))).toEqual(['test.sock']);
    expect(await ask(path)).toBe('hello');
    await server.stop(0);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it('answers as soon as it has its name', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    const opening = open(path);
    let answer: string | undefined;
    while (answer === undefined) {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) await new Promise(setImmediate);
      else answer = await ask(path);
    }
    expect(answer).toBe('hello');
    await (await opening).stop(0);
  });

  it('leaves the mode of a folder that was there', async () => {
    using scratch = new Scratch('socket');
    mkdirSync(scratch.join('run'), { mode: 0o755 });
    const server = await open(scratch.join('run', 'test.sock'));
    expect(lstatSync(scratch.join('run')).mode & 0o777).toBe(0o755);
    await server.stop(0);
  });

  it('takes the place of one that was left behind', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    await leaveStaleSocket(path);
    const server = await open(path);
    expect(await ask(path)).toBe('hello');
    await server.stop(0);
  });

  it('does not take the place of one that is answered on', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    const first = await open(path);
    await expectFailure('TTRPC_SOCKET_INVALID', () => open(path));
    expect(await ask(path)).toBe('hello');
    await first.stop(0);
  });

  it.each([
    ['a file', (path: string) => writeFileSync(path, 'mine')],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a symlink', (path: string) => symlinkSync('/dev/null', path)],
  ])('does not take the place of %s', async (_, make) => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    make(path);
    const before = lstatSync(path);
    await expectFailure('TTRPC_SOCKET_INVALID', () => open(path));
    expect(lstatSync(path).ino).toBe(before.ino);
    expect(readdirSync(scratch.path)).toEqual(['test.sock']);
  });

  it.each([
    ['a path that is not absolute', () => 'test.sock'],
    ['a path that is too long', ({ path }: Scratch) => `${path}/${'x'.repeat(107 - path.length)}`],
    [
      'a folder that is a file',
      (scratch: Scratch) => {
        writeFileSync(scratch.join('file'), '');
        return scratch.join('file', 'test.sock');
      },
    ],
  ])('is refused for %s', async (_, pathIn) => {
    using scratch = new Scratch('socket');
    await expectFailure('TTRPC_SOCKET_INVALID', () => open(pathIn(scratch)));
  });

  it("stays when it is another program's by the time the server stops", async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    const server = await open(path);
    renameSync(path, scratch.join('moved.sock'));
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await server.stop(0);
    expect(lstatSync(path).isSocket()).toBe(true);
    other.close();
  });

  it('can be opened again and again', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    for (let i = 0; i < 5; i++) {
      const server = await open(path);
      expect(await ask(path)).toBe('hello');
      await server.stop(0);
    }
  });
});

describe('a socket that exists before its server', () => {
  it('is the same file afterwards, and calls that were made meanwhile are answered', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('a', 'test.sock');
    const listener = await openTtrpcListener(path);
    const { ino, mode } = lstatSync(path);
    expect([mode & 0o777, lstatSync(dirname(path)).mode & 0o777]).toEqual([0o600, 0o700]);
    const [early, silent, gone] = [
      await RawPeer.connect(path),
      await RawPeer.connect(path),
      await RawPeer.connect(path),
    ];
    await early.flush(rawCall(1, 'Echo'));
    gone.destroy();
    const server = await open(path, listener);
    expect((await early.nextFrame()).streamId).toBe(1);
    silent.send(rawCall(1, 'Echo'));
    expect((await silent.nextFrame()).streamId).toBe(1);
    expect(await ask(path)).toBe('hello');
    expect(lstatSync(path).ino).toBe(ino);
    await server.stop(0);
    await Promise.all([early.closed, silent.closed]);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it('holds a bounded number of connections, of which the oldest one is closed for a further one', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    const listener = await openTtrpcListener(path, 2);
    const peers = [await RawPeer.connect(path), await RawPeer.connect(path), await RawPeer.connect(path)];
    await peers[0]?.closed;
    const server = await open(path, listener);
    for (const peer of peers.slice(1)) {
      peer.send(rawCall(1, 'Echo'));
      expect((await peer.nextFrame()).streamId).toBe(1);
    }
    await server.stop(0);
  });

  it('goes with the connections that wait when it is closed, once', async () => {
    using scratch = new Scratch('socket');
    const path = scratch.join('test.sock');
    const listener = await openTtrpcListener(path);
    const peer = await RawPeer.connect(path);
    listener.close();
    await peer.closed;
    expect(readdirSync(scratch.path)).toEqual([]);
    const next = await open(path);
    listener.close();
    expect(await ask(path)).toBe('hello');
    await next.stop(0);
  });
});

describe('a server that stops', () => {
  it('lets the calls at work end, and takes no others', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    const idle = await server.connect();
    peer.send(rawCall(1, 'Hang'));
    const { finish } = await server.nextHanging();
    const stopped = server.server.stop(60_000);
    await idle.closed;
    expect(lstatSync(server.path, { throwIfNoEntry: false })).toBeUndefined();
    await expectFailure('TTRPC_CLOSED', () => ask(server.path));
    peer.send(rawCall(3, 'Echo'));
    expect((await peer.nextFrame()).data.toString('latin1')).toContain('[TTRPC_CLOSED]');
    finish();
    expect((await peer.nextFrame()).data.toString('latin1')).toContain('finished');
    await peer.closed;
    await stopped;
  });

  it('aborts those that take longer, and answers them', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(rawCall(1, 'Hang'));
    const { aborted, finish } = await server.nextHanging();
    const stopped = server.server.stop(10);
    expect((await peer.nextFrame()).data.toString('latin1')).toContain('[TTRPC_CLOSED]');
    expect((await aborted).code).toBe('TTRPC_CLOSED');
    finish();
    await stopped;
    await peer.closed;
  });

  it('does not wait for ever for a method that never ends', async () => {
    await using server = await TtrpcFixture.open();
    const peer = await server.connect();
    peer.send(rawCall(1, 'Hang'));
    await server.nextHanging();
    const started = performance.now();
    await server.server.stop(0);
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
  });

  it('does so once, however often it is asked', async () => {
    await using server = await TtrpcFixture.open();
    await Promise.all([server.server.stop(0), server.server.stop(60_000)]);
    await server.server.stop(0);
  });
});

describe('a client that hangs up', () => {
  it.each([
    ['closing', (peer: { destroy(): void }) => peer.destroy()],
    ['ending its side', (peer: { socket: { end(): void } }) => peer.socket.end()],
  ])('by %s aborts its calls, and those of no other', async (_, hangUp) => {
    await using server = await TtrpcFixture.open();
    const [gone, stays] = [await server.connect(), await server.connect()];
    gone.send(Buffer.concat([rawCall(1, 'Hang'), rawCall(3, 'Hang')]));
    const calls = [await server.nextHanging(), await server.nextHanging()];
    stays.send(rawCall(1, 'Hang'));
    const other = await server.nextHanging();
    hangUp(gone);
    for (const { aborted } of calls) expect((await aborted).code).toBe('TTRPC_CLOSED');
    expect(other.call.signal.aborted).toBe(false);
    other.finish();
    expect((await stays.nextFrame()).data.toString('latin1')).toContain('finished');
    for (const { finish } of calls) finish();
  });

  it('by dying aborts its calls', async () => {
    await using server = await TtrpcFixture.open();
    const script = `const s = require('node:net').connect(${JSON.stringify(server.path)}, () => s.write(Buffer.from(${JSON.stringify(rawCall(1, 'Hang').toString('hex'))}, 'hex')))`;
    const client = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const { aborted, finish } = await server.nextHanging();
    client.kill('SIGKILL');
    expect((await aborted).code).toBe('TTRPC_CLOSED');
    finish();
  });
});

it('leaves no file open behind connections and servers that are gone', async () => {
  const count = () => readdirSync('/proc/self/fd').length;
  const once = async () => {
    await using server = await TtrpcFixture.open();
    const peers = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
    for (const peer of peers) peer.send(rawCall(1, 'Echo'));
    for (const peer of peers) await peer.nextFrame();
    for (const peer of peers) peer.destroy();
    await Promise.all(peers.map(({ closed }) => closed));
  };
  await once();
  const before = count();
  for (let i = 0; i < 5; i++) await once();
  expect(count()).toBeLessThanOrEqual(before + 2);
});
