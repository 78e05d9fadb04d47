import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRingMemory, Ring, RingAborted, SLOT_BYTES } from '../../../src/layer/ring.ts';

let peer: Worker;

beforeAll(async () => {
  peer = new Worker(new URL('../../support/entries/ring-peer.ts', import.meta.url));
  await once(peer, 'online');
});
afterAll(() => peer.terminate());

function inbox(): () => Promise<string> {
  const queue: string[] = [];
  const waiting: ((message: string) => void)[] = [];
  peer.removeAllListeners('message');
  peer.on('message', (message: string) => {
    const next = waiting.shift();
    if (next === undefined) queue.push(message);
    else next(message);
  });
  return () =>
    new Promise((resolve) => {
      const message = queue.shift();
      if (message === undefined) waiting.push(resolve);
      else resolve(message);
    });
}

describe('Ring', () => {
  it('carries bytes of any slot filling to the other thread, in order and complete', async () => {
    const memory = createRingMemory();
    const receive = inbox();
    peer.postMessage({ memory, role: 'drain' });
    const writer = new Ring(memory).writer();
    const hash = createHash('sha256');
    for (let round = 0; round < 400; round++) {
      const length = round % 3 === 0 ? SLOT_BYTES : (round * 977) % SLOT_BYTES;
      const slot = writer.acquire().subarray(0, length);
      slot.fill(round % 251);
      hash.update(slot);
      writer.publish(length);
    }
    writer.end();
    expect(await receive()).toBe('started');
    expect(await receive()).toBe(hash.digest('hex'));
  });

  it.each([
    ['a reader that waits on an empty ring', 'drain'],
    ['a writer that waits on a full ring', 'fill'],
  ] as const)('wakes %s each of 300 times it is cancelled', async (_, role) => {
    const receive = inbox();
    for (let round = 0; round < 300; round++) {
      const memory = createRingMemory();
      peer.postMessage({ memory, role });
      expect(await receive()).toBe('started');
      new Ring(memory).abort('cancelled');
      expect(await receive()).toBe('cancelled');
    }
  });

  it('makes the writer fail when the reader has failed', async () => {
    const memory = createRingMemory();
    const receive = inbox();
    peer.postMessage({ memory, role: 'fail' });
    const writer = new Ring(memory).writer();
    const fill = () => {
      for (;;) {
        writer.acquire();
        writer.publish(1);
      }
    };
    expect(fill).toThrow(RingAborted);
    expect(await receive()).toBe('started');
    expect(await receive()).toBe('failed');
  });

  it('keeps the first reason, and can be used again after a reset', () => {
    const memory = createRingMemory();
    const ring = new Ring(memory);
    ring.abort('peer-failed');
    ring.abort('cancelled');
    expect(() => ring.writer().acquire()).toThrow(expect.objectContaining({ reason: 'peer-failed' }));
    ring.reset();
    expect(ring.writer().acquire()).toHaveLength(SLOT_BYTES);
  });
});
