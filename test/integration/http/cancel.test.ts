import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { HttpRequest, Transport } from '../../../src/http/index.ts';
import { SYSTEM_CLOCK } from '../../../src/http/transport.ts';
import type { BlobStream } from '../../../src/http/types.ts';
import { AT_ONCE_MS, until } from '../../support/patience.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { collecting, get, quickTransport, streamBlob } from '../../support/registries/http-fixture.ts';

const BLOB = randomBytes(2_000_000);
const REASON = new SealiftError('PULL_CANCELLED', 'enough of it');
const LONG = { connectTimeoutMs: 60_000, headersTimeoutMs: 60_000, stallTimeoutMs: 60_000, retryDelayMs: 60_000 };

let registry: FakeRegistry;
let transport: Transport;
let url: string;

beforeEach(async () => {
  registry = await startFakeRegistry();
  transport = quickTransport({ limits: LONG, clock: SYSTEM_CLOCK });
  url = `${registry.origin}/v2/a/blobs/${registry.addBlob(BLOB)}`;
});

afterEach(async () => {
  await transport.close();
  await registry.close();
});

/** Cancels as soon as `reached`, and expects the stream to end at once and with the reason. */
async function expectPrompt(stream: BlobStream, reached: () => boolean): Promise<void> {
  const controller = new AbortController();
  const outcome = streamBlob(transport, { ...stream, signal: controller.signal }).catch((error: unknown) => error);
  await until(reached);
  const before = performance.now();
  controller.abort(REASON);
  expect(await outcome).toBe(REASON);
  expect(performance.now() - before).toBeLessThan(AT_ONCE_MS);
}

describe('cancelling a blob', () => {
  it('before it starts sends nothing', async () => {
    const stream = { ...collecting(get(url), BLOB.length), signal: AbortSignal.abort(REASON) };
    await expect(streamBlob(transport, stream)).rejects.toBe(REASON);
    expect(registry.requests).toEqual([]);
  });

  it('while the connection is made closes it', async () => {
    // A server that accepts and then says nothing, so that the TLS handshake hangs.
    const sockets = new Set<Socket>();
    const mute: Server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
      socket.resume();
    });
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    await expectPrompt(collecting(get(`https://127.0.0.1:${port}/v2/`), 1), () => sockets.size > 0);
    await until(() => sockets.size === 0);
    mute.close();
  });

  it('while waiting for the head closes the connection', async () => {
    registry.inject({ match: /./, action: { kind: 'silence' } });
    await expectPrompt(collecting(get(url), BLOB.length), () => registry.requests.length > 0);
    await until(() => registry.openConnections === 0);
  });

  it('idle in the body closes the connection', async () => {
    registry.inject({ match: /./, action: { kind: 'stall', afterBytes: 1000 } });
    const stream = collecting(get(url), BLOB.length);
    await expectPrompt(stream, () => stream.received().length === 1000);
    await until(() => registry.openConnections === 0);
  });

  it('while the writer holds the connection back closes it', async () => {
    let held = false;
    const write = () => {
      held = true;
      return new Promise<void>(() => undefined);
    };
    await expectPrompt({ ...collecting(get(url), BLOB.length), write }, () => held);
    await until(() => registry.openConnections === 0);
  });

  it('from within the writer delivers nothing any more', async () => {
    const controller = new AbortController();
    let chunks = 0;
    const stream = {
      ...collecting(get(url), BLOB.length),
      signal: controller.signal,
      write() {
        chunks += 1;
        controller.abort(REASON);
      },
    };
    await expect(streamBlob(transport, stream)).rejects.toBe(REASON);
    expect(chunks).toBe(1);
  });

  it('between two tries ends the pause', async () => {
    registry.inject({ match: /./, action: { kind: 'answer', status: 503 } });
    await expectPrompt(collecting(get(url), BLOB.length), () => registry.requests.length > 0);
  });

  it('while credentials are renewed does not wait for them', async () => {
    registry.inject({ match: /./, action: { kind: 'answer', status: 401 } });
    let asked = false;
    const onUnauthorized = () => {
      asked = true;
      return new Promise<HttpRequest>(() => undefined);
    };
    await expectPrompt({ ...collecting(get(url), BLOB.length), onUnauthorized }, () => asked);
  });

  it('with a reason that is no code of ours answers PULL_CANCELLED', async () => {
    const stream = { ...collecting(get(url), BLOB.length), signal: AbortSignal.abort() };
    await expect(streamBlob(transport, stream)).rejects.toMatchObject({ code: 'PULL_CANCELLED' });
  });

  it('while the connection is made leaves another request to the same server alone', async () => {
    const controller = new AbortController();
    const cancelled = streamBlob(transport, { ...collecting(get(url), BLOB.length), signal: controller.signal });
    const ended = cancelled.catch((error: unknown) => error);
    const other = collecting(get(url), BLOB.length);
    const whole = streamBlob(transport, other);
    controller.abort(REASON);
    expect(await ended).toBe(REASON);
    await whole;
    expect(other.received().equals(BLOB)).toBe(true);
    expect(registry.requests).toHaveLength(1);
  });
});
