import { execFileSync } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identifyServer } from '../../../src/api/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { ResponseEnvelope } from '../../../src/ttrpc/envelope.ts';
import { FRAME_TYPE, formatFrame } from '../../../src/ttrpc/frame.ts';
import { openTtrpcServer } from '../../../src/ttrpc/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';

/** Short, because one test waits for it; the servers of the others answer at once. */
const TIMEOUT_MS = 300_000;

let scratch: Scratch;
let servers: Server[];

beforeEach(() => {
  scratch = new Scratch('identify');
  servers = [];
});

afterEach(() => {
  for (const server of servers) server.close();
  scratch[Symbol.dispose]();
});

const path = () => scratch.join('test.sock');

async function listen(onConnection: (socket: Socket) => void): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path(), resolve));
}

/** The words in which the hub in Rust refuses an unknown method. */
function unimplemented(): Uint8Array {
  const status = { code: 12, message: 'sealift.Doctor/Identify is not supported', details: [] };
  const payload = ResponseEnvelope.encode({ status, payload: new Uint8Array(0) });
  return formatFrame({ streamId: 1, type: FRAME_TYPE.response, flags: 0 }, payload);
}

describe('identifyServer', () => {
  it('knows one of ours, by its refusal', async () => {
    const faults: string[] = [];
    const server = await openTtrpcServer({
      path: path(),
      services: new Map(),
      limits: DEFAULT_LIMITS,
      onFault: ({ code }) => faults.push(code),
    });
    expect(await identifyServer(path(), TIMEOUT_MS)).toBe('sealift');
    await server.stop(0);
    expect(await identifyServer(path(), TIMEOUT_MS)).toBe('none');
  });

  it.each<[string, (socket: Socket) => void]>([
    ['refuses in other words', (socket) => socket.once('data', () => socket.write(unimplemented()))],
    ['closes instead', (socket) => socket.once('data', () => socket.destroy())],
    ['speaks another protocol', (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
  ])('knows another one that %s', async (_, answer) => {
    await listen(answer);
    expect(await identifyServer(path(), TIMEOUT_MS)).toBe('other');
  });

  it('waits for nobody who is silent', async () => {
    await listen((socket) => socket.resume());
    expect(await identifyServer(path(), 300)).toBe('silent');
  });

  it('finds nobody behind a socket that was left', async () => {
    execFileSync('perl', ['-MSocket', '-e', LEAVE, path()]);
    expect(await identifyServer(path(), TIMEOUT_MS)).toBe('none');
  });
});

/** Binds, listens and ends without removing the socket file, as a killed process does. */
const LEAVE = `socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die; listen($s, 1) or die`;
