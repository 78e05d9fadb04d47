import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { defineApiMessages } from '../../../src/api/messages.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { RequestEnvelope, ResponseEnvelope } from '../../../src/ttrpc/envelope.ts';
import { STATUS } from '../../../src/ttrpc/index.ts';
import { PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { NativeDaemon, remainsOf } from '../../support/daemons/native-daemon.ts';
import { RawPeer, rawFrame } from '../../support/daemons/raw-peer.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { failure } from '../../support/matchers.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';
import { IS_SOAK } from '../../support/soak.ts';

/** The pulls in a row and at once. The first third of them lets the daemon load what it loads only once. */
const [IN_A_ROW, AT_ONCE] = IS_SOAK ? [600, 50] : [20, 5];
/** Growth of the live heap for each pull. After few pulls, not even the rings of the threads all exist. */
const MAX_LIVE_GROWTH_BYTES = IS_SOAK ? 25_000 : 200_000;
/**
 * Growth in total. In the long run 50 kB with each pull would be 20 MB, and what V8 keeps for the next thread makes a
 * difference of some MB; in the short run memory has not settled yet.
 */
const MAX_RESIDENT_GROWTH_BYTES = IS_SOAK ? 15_000_000 : 40_000_000;
/** Half seconds without a worker thread: V8 returns the pages of one some 8 s after its end. */
const SETTLED_SAMPLES = 50;

/** Every test begins and ends with a daemon that has nothing mounted. */
describeWith(['root'], 'many pulls of one sealiftd', () => {
  let bed: PullBed;
  let daemon: NativeDaemon;
  let images = 0;
  let idleThreads: number;

  beforeAll(async () => {
    bed = await PullBed.open();
    daemon = await NativeDaemon.open();
    await daemon.start();
    idleThreads = daemon.threadCount();
  });

  /** Removes what a failed test has left. */
  afterEach(async () => {
    bed.registry.forgetFaults();
    for (const container of daemon.remains().containers) daemon.remove(container);
    if (!daemon.isRunning) await daemon.start();
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await bed?.close();
  });

  /** A layer that all images have, and one that no other has. */
  function serve(): ServedImage & { readonly name: string } {
    images += 1;
    const name = `image-${images}`;
    const own = [file('name', name), file('own', pseudoRandom(100_000, name))];
    return { name, ...bed.serveImage([[dir('./'), file('shared', pseudoRandom(200_000, 'shared'))], own]) };
  }

  async function pull({ name, digest }: ServedImage & { readonly name: string }, container: string): Promise<void> {
    expect(await daemon.pull(bed.reference(digest), container)).toBe(digest);
    expect(daemon.read(container, 'name').toString()).toBe(name);
  }

  /** In the long run, returns the least memory that the daemon uses while none of its threads has work. */
  async function settledBytes(): Promise<number> {
    if (!IS_SOAK) return daemon.residentBytes();
    let least = Number.POSITIVE_INFINITY;
    for (let samples = 0; samples < SETTLED_SAMPLES; await delay(500)) {
      if (daemon.threadCount() > idleThreads) continue;
      least = Math.min(least, daemon.residentBytes());
      samples += 1;
    }
    return least;
  }

  /** Returns the daemon's own answer: a client without a deadline would wait for ever. */
  async function statusWithin(timeoutMs: number, { digest }: ServedImage, container: string) {
    const { pullImageRequest } = defineApiMessages(DEFAULT_LIMITS);
    const request = RequestEnvelope.encode({
      service: 'api.ImagePullService',
      method: 'PullImage',
      payload: pullImageRequest.encode({ imageUrl: bed.reference(digest), bundlePath: daemon.makeBundle(container) }),
      timeoutNanos: BigInt(timeoutMs) * 1_000_000n,
      metadata: [],
    });
    const peer = await RawPeer.connect(daemon.socketPath);
    try {
      peer.send(rawFrame(1, request));
      return ResponseEnvelope.decode((await peer.nextFrame()).data).status?.code;
    } finally {
      peer.destroy();
    }
  }

  const expectClean = () => expect.poll(() => daemon.remains()).toEqual(remainsOf([], 0));
  /** Descriptors without sockets, because connections come and go. */
  const files = () => daemon.descriptors().filter((target) => !target.startsWith('socket:'));

  it(`${IN_A_ROW} in a row: nothing grows, nothing is left`, async () => {
    const known = serve();
    const pullMany = async (from: number, to: number) => {
      for (let count = from; count < to; count += 1) {
        await pull(count % 2 === 0 ? serve() : known, `row-${count}`);
        daemon.remove(`row-${count}`);
      }
    };
    const use = async () => {
      const resident = await settledBytes();
      return { resident, threads: daemon.threadCount(), files: files(), live: await daemon.liveBytes() };
    };
    const warmUp = Math.floor(IN_A_ROW / 3);
    await pullMany(0, warmUp);
    const before = await use();
    await pullMany(warmUp, IN_A_ROW);
    const after = await use();
    const growth = {
      live: (after.live - before.live) / (IN_A_ROW - warmUp),
      resident: after.resident - before.resident,
    };
    process.stdout.write(
      `${IN_A_ROW} pulls: ${megabytes(after.live)} alive, ${Math.round(growth.live)} bytes more with each;` +
        ` ${megabytes(after.resident)} resident, ${megabytes(growth.resident)} more than after a third\n`,
    );
    expect(growth.live).toBeLessThan(MAX_LIVE_GROWTH_BYTES);
    expect(growth.resident).toBeLessThan(MAX_RESIDENT_GROWTH_BYTES);
    await expectClean();
    const isMore = () => daemon.threadCount() > before.threads || files().length > before.files.length;
    // Idle threads, which have files of their own, end after 15 s without work at the latest.
    await expect.poll(isMore).toBe(false);
  });

  it(`${AT_ONCE} at once, of the same image and of others: each is mounted, and all is given back`, async () => {
    const same = serve();
    const calls = Array.from({ length: AT_ONCE }, (_, at) => ({
      image: at % 2 === 0 ? same : serve(),
      container: `once-${at}`,
    }));
    await Promise.all(calls.map(({ image, container }) => pull(image, container)));
    const layers = new Set(calls.flatMap(({ image }) => image.layers));
    const containers = calls.map(({ container }) => container);
    await expect.poll(() => daemon.remains()).toEqual(remainsOf(containers, layers.size));
    const own = [...layers].filter((digest) => digest !== same.layers[0]);
    expect(own.map((digest) => bed.fetchesOf(digest))).toEqual(own.map(() => 1));
    for (const container of containers) daemon.remove(container);
    await expectClean();
  });

  const publishedLayers = () => readdirSync(join(daemon.halves.data, 'layers')).length;

  /** A pull whose second layer does not end. False when the first one took longer than the deadline. */
  async function missDeadline(deadlineMs: number, { layers, ...image }: ServedImage): Promise<boolean> {
    const [, second = ''] = layers;
    bed.registry.inject({ match: new RegExp(second), times: 1, action: { kind: 'stall', afterBytes: 10_000 } });
    const before = publishedLayers();
    const startedMs = performance.now();
    expect(await statusWithin(deadlineMs, { layers, ...image }, 'late')).toBe(STATUS.DEADLINE_EXCEEDED);
    expect(performance.now() - startedMs).toBeLessThan(deadlineMs + AT_ONCE_MS);
    await expectClean();
    await expect.poll(() => readdirSync(daemon.path('bundles', 'late'))).toEqual([]);
    return publishedLayers() > before;
  }

  it('a deadline in the middle is kept, and the next pull fetches only what is missing', async () => {
    let deadlineMs = 3_000;
    const serveBoth = () => {
      const finished = pseudoRandom(100_000, `finished ${deadlineMs}`);
      const late = [file('late', pseudoRandom(50_000, `late ${deadlineMs}`))];
      return { finished, image: bed.serveImage([[dir('./'), file('finished', finished)], late]) };
    };
    let { finished, image } = serveBoth();
    while (!(await missDeadline(deadlineMs, image))) {
      deadlineMs *= 2;
      ({ finished, image } = serveBoth());
    }
    const [first = '', second = ''] = image.layers;
    expect([bed.fetchesOf(first), bed.fetchesOf(second)]).toEqual([1, 1]);
    expect(await daemon.pull(bed.reference(image.digest), 'late')).toBe(image.digest);
    expect([bed.fetchesOf(first), bed.fetchesOf(second)]).toEqual([1, 2]);
    expect(daemon.read('late', 'finished').equals(finished)).toBe(true);
    daemon.remove('late');
    await expectClean();
  });

  it('a bundle that was removed in the middle gets nothing, and nothing is made in its place', async () => {
    const image = serve();
    const [, last = ''] = image.layers;
    // The layer ends when the bundle is gone.
    const removed = Promise.withResolvers<void>();
    const action = { kind: 'hold', afterBytes: 10_000, until: removed.promise } as const;
    bed.registry.inject({ match: new RegExp(last), times: 1, action });
    const pulling = failure(() => pull(image, 'removed'));
    await expect.poll(() => bed.fetchesOf(last)).toBe(1);
    rmSync(daemon.path('bundles', 'removed'), { recursive: true });
    removed.resolve();
    expect((await pulling).code).toBe('SNAPSHOT_MOUNT_FAILED');
    expect(existsSync(daemon.path('bundles', 'removed'))).toBe(false);
    await expectClean();
    await pull(image, 'removed');
    expect(bed.fetchesOf(last)).toBe(1);
    daemon.remove('removed');
    await expectClean();
  });

  it('1000 connections that say nothing, or begin and do not go on, keep nobody waiting', async () => {
    const idle = await Promise.all(Array.from({ length: 1_000 }, () => connect(daemon.socketPath)));
    try {
      for (const [at, socket] of idle.entries()) if (at % 2 === 0) socket.write(Buffer.alloc(5));
      const image = serve();
      for (const container of ['idle-1', 'idle-2', 'idle-3']) await pull(image, container);
      expect(idle.filter(({ destroyed }) => destroyed)).toEqual([]);
    } finally {
      for (const socket of idle) socket.destroy();
    }
    for (const container of ['idle-1', 'idle-2', 'idle-3']) daemon.remove(container);
    await expectClean();
  });
});

async function connect(path: string): Promise<Socket> {
  const socket = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
