import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { callOnce } from '../../../src/ttrpc/index.ts';
import { openTtrpcClient } from '../../../src/ttrpc/open-client.ts';
import type { TtrpcClient } from '../../../src/ttrpc/types.ts';
import { field, rawFrame } from '../../support/daemons/raw-peer.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const MAX = DEFAULT_LIMITS.maxTtrpcMessageBytes;

/** A server that sends what the test chooses, and a client of it. */
class Pair implements Disposable {
  readonly client: TtrpcClient;
  readonly socket: Socket;
  readonly #close: () => void;

  private constructor(client: TtrpcClient, socket: Socket, close: () => void) {
    this.client = client;
    this.socket = socket;
    this.#close = close;
  }

  static async open(): Promise<Pair> {
    const scratch = new Scratch('ttrpc');
    const path = scratch.join('raw.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const client = await openTtrpcClient(path, DEFAULT_LIMITS);
    const [socket] = (await connected) as [Socket];
    socket.on('error', () => socket.destroy());
    return new Pair(client, socket, () => {
      client.close();
      socket.destroy();
      server.close();
      scratch[Symbol.dispose]();
    });
  }

  ask(change: { timeoutNanos?: bigint; signal?: AbortSignal } = {}) {
    return this.client.call({ service: 's', method: 'm', payload: new Uint8Array(0), ...change });
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

function answer(streamId: number, text: string): Buffer {
  return rawFrame(streamId, field(2, text), { type: 2 });
}

async function textOf(reply: ReturnType<Pair['ask']>): Promise<string> {
  return Buffer.from((await reply).payload).toString();
}

describe('a client', () => {
  it('numbers its streams 1, 3, 5 and finds each answer, whatever their order', async () => {
    using pair = await Pair.open();
    const [first, second, third] = [pair.ask(), pair.ask(), pair.ask()];
    pair.socket.write(Buffer.concat([answer(5, 'third'), answer(1, 'first'), answer(3, 'second')]));
    expect(await Promise.all([first, second, third].map(textOf))).toEqual(['first', 'second', 'third']);
  });

  it('passes over what it did not ask for', async () => {
    using pair = await Pair.open();
    const reply = pair.ask();
    const unknownType = rawFrame(1, Buffer.from('x'), { type: 9 });
    const ownRequest = rawFrame(1, Buffer.from('x'), { type: 1 });
    pair.socket.write(
      Buffer.concat([answer(99, 'other'), unknownType, ownRequest, answer(1, 'mine'), answer(1, 'again')]),
    );
    expect(await textOf(reply)).toBe('mine');
    const next = pair.ask();
    pair.socket.write(answer(3, 'next'));
    expect(await textOf(next)).toBe('next');
  });

  it.each([
    ['data on a unary stream', rawFrame(1, Buffer.from('x'), { type: 3 }), 'TTRPC_FRAME_INVALID'],
    ['no protobuf', rawFrame(1, Buffer.from('ff', 'hex'), { type: 2 }), 'TTRPC_MESSAGE_INVALID'],
    ['a message over 4 MiB', rawFrame(1, Buffer.alloc(MAX + 1), { type: 2 }), 'TTRPC_MESSAGE_TOO_LARGE'],
  ] as const)('answered with %s fails that call, and goes on', async (_, bytes, code) => {
    using pair = await Pair.open();
    const [bad, good] = [pair.ask(), pair.ask()];
    pair.socket.write(Buffer.concat([bytes, answer(3, 'good')]));
    await expectFailure(code, () => bad);
    expect(await textOf(good)).toBe('good');
  });

  it('fails all calls in flight, and later ones, when the server closes', async () => {
    using pair = await Pair.open();
    const replies = [pair.ask(), pair.ask()];
    pair.socket.destroy();
    for (const reply of replies) await expectFailure('TTRPC_CLOSED', () => reply);
    await expectFailure('TTRPC_CLOSED', () => pair.ask());
  });

  it('fails calls in flight when it is closed itself, as often as it is', async () => {
    using pair = await Pair.open();
    const reply = pair.ask();
    pair.client.close();
    pair.client.close();
    await expectFailure('TTRPC_CLOSED', () => reply);
  });

  it('obeys a deadline that the server does not, and the next call is not taken for its answer', async () => {
    using pair = await Pair.open();
    const error = await expectFailure('TTRPC_DEADLINE_EXCEEDED', () => pair.ask({ timeoutNanos: 20_000_000n }));
    expect(error.context).toEqual({ timeoutMs: 20 });
    const next = pair.ask();
    pair.socket.write(Buffer.concat([answer(1, 'late'), answer(3, 'next')]));
    expect(await textOf(next)).toBe('next');
  });

  it('gives up with the reason of its signal, before and during a call', async () => {
    using pair = await Pair.open();
    const abort = new AbortController();
    const reply = pair.ask({ signal: abort.signal });
    abort.abort(new SealiftError('PULL_CANCELLED', 'enough'));
    await expectFailure('PULL_CANCELLED', () => reply);
    await expectFailure('PULL_CANCELLED', () => pair.ask({ signal: abort.signal }));
    await expectFailure('TTRPC_CLOSED', () => pair.ask({ signal: AbortSignal.abort() }));
  });

  it('says why it cannot connect', async () => {
    using scratch = new Scratch('ttrpc');
    const call = { service: 's', method: 'm', payload: new Uint8Array(0) };
    const error = await expectFailure('TTRPC_CLOSED', () => callOnce(scratch.join('nobody'), call, DEFAULT_LIMITS));
    expect(error.context).toMatchObject({ errno: 'ENOENT' });
  });
});
