import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import type { LayerJob } from '../../../src/layer/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import type { Digest } from '../../../src/oci/index.ts';
import type { CallOptions, Deadline } from '../../../src/operations/index.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import { writeVerityLayerImage } from '../../support/builders/erofs-image.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import type { TestOperations } from '../../support/entries/layer-worker-entry.ts';
import { IS_ROOT, mustRun } from '../../support/machine/commands.ts';
import { expectFailure, failure } from '../../support/matchers.ts';
import { AT_ONCE_MS, until } from '../../support/patience.ts';
import { FAULTY_WORKER_BUNDLE, WORKER_BUNDLE } from '../../support/pools/worker-bundles.ts';

interface TestRooms {
  readonly test: TestOperations;
}

const content = Buffer.alloc(6 << 20);
for (let offset = 0; offset < content.length; offset += 32) {
  createHash('sha256').update(`${offset}`).digest().copy(content, offset);
}
const archive = tar([file('content', content), file('small', 'hello')]);
const blob = gzipSync(archive, { level: 1 });

function sha256(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

let directory: string;
let pool: WorkerPool<TestRooms>;
let server: Server;
let answer: (response: ServerResponse) => void;
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sealift-pool-'));
  answer = (response) => response.end(blob);
  server = createServer((_, response) => answer(response));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  pool?.close();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

function openPool(fault?: string, treeThread = false, limits: Limits = DEFAULT_LIMITS): WorkerPool<TestRooms> {
  const entry = fault === undefined ? WORKER_BUNDLE : FAULTY_WORKER_BUNDLE;
  // Workers take a copy of the environment when they start.
  process.env['SEALIFT_TEST_FAULT'] = fault ?? '';
  pool = new WorkerPool({ entry, idleMs: 10_000, limits, cores: 2, treeThread });
  return pool;
}

function echo(value: unknown, options?: CallOptions): Promise<unknown> {
  return pool.runner('test')('echo', value, options);
}

function openFifo(open: string, options?: CallOptions): Promise<unknown> {
  return pool.runner('test')('open', { open }, options);
}

function within(ms: number, code: ErrorCode = 'STORE_STALLED'): CallOptions & { readonly deadline: Deadline } {
  const stalled = (after: number) => new SealiftError(code, `no answer within ${after} ms`);
  return { deadline: { ms, covers: 'system-call', stalled } };
}

/** The same for an operation that has to end by then, whatever it does. */
function endsWithin(ms: number, code: ErrorCode = 'STORE_STALLED'): CallOptions {
  return { deadline: { ...within(ms, code).deadline, covers: 'operation' } };
}

function compute(ms: number, options?: CallOptions): Promise<unknown> {
  return pool.runner('test')('compute', { ms }, options);
}

/** Threads of this process. Those of Node's own pool all exist from the first file access on. */
function tasks(): readonly string[] {
  return readdirSync('/proc/self/task');
}

function threads(): number {
  return tasks().length;
}

type NetworkJob = Extract<LayerJob, { readonly request: unknown }>;

function job(change: Partial<NetworkJob> = {}): NetworkJob {
  const { port } = server.address() as AddressInfo;
  return {
    blobDigest: sha256(blob),
    blobSize: blob.length,
    compression: 'gzip',
    diffId: sha256(archive),
    request: { url: `http://127.0.0.1:${port}/blob`, method: 'GET', headers: {}, allowHttp: true },
    transport: { tlsVerify: false, extraRoots: [], userAgent: 'test' },
    factsPath: undefined,
    target: { kind: 'merged', directory, privileged: false },
    ...change,
  };
}

describe('WorkerPool.stage', () => {
  it('applies a layer whose size, digest, diffID and archive hold', async () => {
    const staged = await openPool().stage(job(), {});
    expect(staged.layerBytes).toBe(archive.length);
    expect(staged.facts.entries).toBe(2);
    expect(readFileSync(join(directory, 'content')).equals(content)).toBe(true);
    expect(readFileSync(join(directory, 'small'), 'utf8')).toBe('hello');
  });

  it('names the blob when a byte was changed, although inflate notices first', async () => {
    const flipped = Buffer.from(blob);
    flipped[20] = (flipped[20] ?? 0) ^ 0xff;
    answer = (response) => response.end(flipped);
    await expectFailure('BLOB_DIGEST_MISMATCH', () => openPool().stage(job(), {}));
  });

  it('blames the image when the blob is right and the archive is not', async () => {
    const broken = gzipSync(Buffer.alloc(2048, 'not a tar'));
    answer = (response) => response.end(broken);
    const target = { blobDigest: sha256(broken), blobSize: broken.length };
    await expectFailure('TAR_INVALID', () => openPool().stage(job(target), {}));
  });

  it('refuses a layer whose diffID is another', async () => {
    const other = { diffId: sha256(Buffer.from('another layer')) };
    await expectFailure('DIFFID_MISMATCH', () => openPool().stage(job(other), {}));
  });

  it('asks for a new request after a 401 and goes on with it', async () => {
    const seen: (string | undefined)[] = [];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      seen.push(request.headers.authorization);
      if (request.headers.authorization === 'Bearer fresh') return response.end(blob);
      return response.writeHead(401, { 'www-authenticate': 'Bearer realm="x"' }).end();
    });
    const { request } = job();
    const onUnauthorized = async () => ({ ...request, headers: { authorization: 'Bearer fresh' } });
    await openPool().stage(job(), { onUnauthorized });
    expect(seen).toEqual([undefined, 'Bearer fresh']);
  });

  it('fails with the reason when there are no new credentials', async () => {
    answer = (response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="x"' }).end();
    await expectFailure('REGISTRY_AUTH_REJECTED', () => openPool().stage(job(), {}));
  });

  it('fails the layer and nothing else when a worker thread ends', async () => {
    const error = await expectFailure('LAYER_WORKER_FAILED', () => openPool('exit=layer-fetch').stage(job(), {}));
    expect(error.message).toContain('code 7');
    expect(await echo('still alive')).toBe('still alive');
  });

  it('fails with the same code as an operation and a document when no thread can be started', async () => {
    // Node refuses to make a thread of it, as it does when the kernel has none left.
    const entry = new URL('https://127.0.0.1/no-file');
    pool = new WorkerPool({ entry, idleMs: 10_000, limits: DEFAULT_LIMITS, cores: 2, treeThread: false });
    const { request, transport } = job();
    const http = pool.httpClient(transport);
    await expectFailure('LAYER_WORKER_FAILED', () => pool.stage(job(), {}));
    await expectFailure('LAYER_WORKER_FAILED', () => echo('hello'));
    await expectFailure('LAYER_WORKER_FAILED', () => http.fetchDocument(request, 1, undefined));
  });

  it('fails the layer with an internal error when a worker meets a bug, and can be used again', async () => {
    await expectFailure('INTERNAL', () => openPool('throw=layer-fetch').stage(job(), {}));
    expect(await echo('still alive')).toBe('still alive');
  });
});

describe('a layer that can no longer succeed', () => {
  /** The rest of the blob never comes: a line that waited for it would not end. */
  function sendHalf(): void {
    answer = (response) => {
      response.writeHead(200, { 'content-length': blob.length });
      response.write(blob.subarray(0, blob.length / 2));
    };
  }

  it.each([
    ['maxLayerBytes', 1024 * 1024],
    ['maxEntries', 0],
  ] as const)('ends at once when %s is exceeded', async (limit, bound) => {
    sendHalf();
    const limits = { ...DEFAULT_LIMITS, [limit]: bound };
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () =>
      openPool(undefined, false, limits).stage(job(), {}),
    );
    expect(error.context['limit']).toBe(limit);
  });

  it('ends at once when the thread that applies it ends', async () => {
    sendHalf();
    const error = await expectFailure('LAYER_WORKER_FAILED', () => openPool('exit=layer-apply').stage(job(), {}));
    expect(error.message).toContain('code 7');
  });

  it('ends at once when the thread that applies it meets a bug', async () => {
    sendHalf();
    await expectFailure('INTERNAL', () => openPool('throw=layer-apply').stage(job(), {}));
  });

  it('ends at once when the thread that hashes its tree ends', async () => {
    sendHalf();
    const target = { kind: 'image' as const, path: join(directory, 'image'), lowers: undefined, verity: true };
    await expectFailure('LAYER_WORKER_FAILED', () => openPool('exit=layer-tree', true).stage(job({ target }), {}));
  });

  it.skipIf(!IS_ROOT)('ends at once when the disk is full (skipped: needs root for a mount)', async () => {
    sendHalf();
    const small = join(directory, 'small-disk');
    mkdirSync(small);
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    try {
      const target = { kind: 'merged' as const, directory: small, privileged: false };
      const error = await expectFailure('UNPACK_WRITE_FAILED', () => openPool().stage(job({ target }), {}));
      expect(error.context['errno']).toBe('ENOSPC');
    } finally {
      await mustRun('umount', ['-l', small]);
    }
  });

  it('is hashed to its end when its content is refused, since the content may have been altered', async () => {
    const altered = Buffer.from(blob);
    altered.fill(0, 100, 200);
    let sent = 0;
    answer = (response) => {
      response.writeHead(200, { 'content-length': altered.length });
      response.write(altered.subarray(0, 1000), () => {
        sent = 1000;
        response.end(altered.subarray(1000));
      });
    };
    await expectFailure('BLOB_DIGEST_MISMATCH', () => openPool().stage(job(), {}));
    expect(sent).toBe(1000);
  });
});

it('ends idle threads, and reports when the last one is gone', async () => {
  const idle = Promise.withResolvers<void>();
  const options = { idleMs: 50, limits: DEFAULT_LIMITS, cores: 2, treeThread: false };
  pool = new WorkerPool({ entry: WORKER_BUNDLE, ...options, onIdle: idle.resolve });
  await pool.stage(job(), {});
  const threads = () => readdirSync('/proc/self/task').length;
  const busy = threads();
  await idle.promise;
  // One worker fetched and one applied.
  expect(threads()).toBeLessThanOrEqual(busy - 2);
});

describe('WorkerPool.warm', () => {
  it('has the HTTP client ready on the worker that the first request goes to', async () => {
    openPool();
    const { request, transport } = job();
    pool.warm(transport);
    const response = await pool.httpClient(transport).fetchDocument(request, blob.length);
    expect(Buffer.from(response.body).equals(blob)).toBe(true);
  });

  it('leaves it to the first request to fail because of wrong settings', async () => {
    openPool();
    const transport = { ...job().transport, extraRoots: ['no certificate'] };
    pool.warm(transport);
    await expectFailure('CONFIG_FILE_INVALID', () => pool.httpClient(transport).fetchDocument(job().request, 100));
  });
});

describe('several layers on one pair of threads', () => {
  const inDirectory = (name: string): Partial<LayerJob> => {
    mkdirSync(join(directory, name));
    return { target: { kind: 'merged', directory: join(directory, name), privileged: false } };
  };

  it('are fetched while those before are applied, each into its own directory', async () => {
    openPool();
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name) => pool.stage(job(inDirectory(name)), {})));
    for (const name of names) expect(readFileSync(join(directory, name, 'small'), 'utf8')).toBe('hello');
  });

  it('have the next request sent before the last bytes of a blob arrive, and its bytes wait until the blob is fetched', async () => {
    let requests = 0;
    const first = Promise.withResolvers<ServerResponse>();
    answer = (response) => {
      requests += 1;
      if (requests > 1) {
        response.end(blob);
        return;
      }
      response.writeHead(200, { 'content-length': blob.length });
      response.write(blob.subarray(0, -100));
      first.resolve(response);
    };
    openPool();
    const ended: string[] = [];
    const stage = async (name: string): Promise<void> => {
      await pool.stage(job(inDirectory(name)), {});
      ended.push(name);
    };
    const both = [stage('a'), stage('b')];
    const held = await first.promise;
    // Without a request that is sent ahead, this loop runs until the test times out.
    while (requests < 2) await new Promise((resolve) => setImmediate(resolve));
    // The second blob has arrived completely; none of it may be written to the disk now.
    await echo('some time').catch(() => {});
    expect([ended, readdirSync(join(directory, 'b'))]).toEqual([[], []]);
    held.end(blob.subarray(-100));
    await Promise.all(both);
    expect(ended).toEqual(['a', 'b']);
    expect(readFileSync(join(directory, 'b', 'content')).equals(content)).toBe(true);
  });

  it('do not share the fate of one that fails', async () => {
    openPool();
    const broken = pool.stage(job({ ...inDirectory('broken'), diffId: sha256(Buffer.from('other')) }), {});
    const good = pool.stage(job(inDirectory('good')), {});
    await expectFailure('DIFFID_MISMATCH', () => broken);
    expect((await good).layerBytes).toBe(archive.length);
  });

  it('are all stopped by one signal, also those that have not begun', async () => {
    answer = (response) => void response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 9));
    openPool();
    const abort = new AbortController();
    const failing = ['a', 'b', 'c'].map((name) =>
      expectFailure('PULL_CANCELLED', () => pool.stage(job(inDirectory(name)), { signal: abort.signal })),
    );
    while (sockets.size === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error('enough'));
    await Promise.all(failing);
  });

  it('go one after the other into a merged target, whose writer remembers', async () => {
    openPool();
    const line = await pool.openLine(directory, new AbortController().signal);
    await line.stage(job(), {});
    expect((await line.stage(job(), {})).facts.entries).toBe(2);
    line.close();
    expect(readdirSync(directory).sort()).toEqual(['content', 'small']);
  });
});

describe.each([
  { where: 'by the thread that writes it', treeThread: false },
  { where: 'by a thread of its own', treeThread: true },
])('a tree behind an image, hashed $where', ({ treeThread }) => {
  const image = (name: string) => ({
    target: { kind: 'image' as const, path: join(directory, name), lowers: undefined, verity: true },
  });

  it('is that of the image, however many layers there are', async () => {
    openPool(undefined, treeThread);
    const expected = writeVerityLayerImage(join(directory, 'expected'), [archive]).verity;
    const names = ['a', 'b', 'c'];
    const staged = await Promise.all(names.map((name) => pool.stage(job(image(name)), {})));
    for (const [at, name] of names.entries()) {
      const { rootHash, hashOffset, fileBytes: bytes } = expected;
      expect(staged[at]?.image).toEqual({ bytes, verity: { rootHash, hashOffset } });
      expect(readFileSync(join(directory, name)).equals(readFileSync(join(directory, 'expected')))).toBe(true);
    }
  });

  it('fails with the layer', async () => {
    openPool(undefined, treeThread);
    const other = { diffId: sha256(Buffer.from('another layer')) };
    await expectFailure('DIFFID_MISMATCH', () => pool.stage(job({ ...image('a'), ...other }), {}));
    expect((await pool.stage(job(image('b')), {})).image?.verity?.rootHash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('the thread that hashes a tree', () => {
  const image = { target: { kind: 'image' as const, path: '', lowers: undefined, verity: true } };
  const target = (name: string) => ({ target: { ...image.target, path: join(directory, name) } });

  it('fails its layer and nothing else when it ends', async () => {
    openPool('exit=layer-tree', true);
    await expectFailure('LAYER_WORKER_FAILED', () => pool.stage(job(target('a')), {}));
    expect(
      (await pool.stage(job({ ...target('b'), target: { ...target('b').target, verity: false } }), {})).image,
    ).toBeDefined();
  });

  it('fails its layer when it meets a bug', async () => {
    openPool('throw=layer-tree', true);
    await expectFailure('INTERNAL', () => pool.stage(job(target('a')), {}));
  });

  it('holds back the layer while it is slow, and lets go when the layer is cancelled', async () => {
    openPool('slow=layer-tree', true);
    expect((await pool.stage(job(target('a')), {})).image?.verity).toBeDefined();
    const abort = new AbortController();
    const staging = expectFailure('PULL_CANCELLED', () => pool.stage(job(target('b')), { signal: abort.signal }));
    setTimeout(() => abort.abort(new Error('enough')), 100);
    await staging;
    expect((await pool.stage(job(target('c')), {})).image?.verity).toBeDefined();
  });
});

describe('cancelling a layer', () => {
  async function cancelWhen(started: Promise<unknown>, change: Partial<LayerJob> = {}, fault?: string) {
    const abort = new AbortController();
    openPool(fault);
    // Both threads are up and have loaded what they need, so that only the cancelling takes time.
    await pool.stage(
      job({ target: { kind: 'merged', directory: mkdtempSync(`${directory}/warm-`), privileged: false } }),
      {},
    );
    const target = { kind: 'merged', directory: mkdtempSync(`${directory}/layer-`), privileged: false } as const;
    armed = true;
    const staging = expectFailure('PULL_CANCELLED', () =>
      pool.stage(job({ target, ...change }), { signal: abort.signal }),
    );
    await started;
    const before = tasks();
    abort.abort(new Error('enough'));
    await staging;
    // They let go by themselves: threads that do not are ended.
    expect(before.filter((task) => !tasks().includes(task))).toEqual([]);
    expect(await echo('still alive').catch(() => 'no table')).toBeDefined();
  }

  let armed: boolean;
  beforeEach(() => {
    armed = false;
  });

  function whenArmed(begin: (response: ServerResponse, resolve: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      answer = (response) => {
        if (armed) begin(response, resolve);
        else response.end(blob);
      };
    });
  }

  it('works while the connection is being made', async () => {
    const mute = createTcpServer();
    const connected = new Promise((resolve) => mute.on('connection', resolve));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const request = { ...job().request, url: `https://127.0.0.1:${port}/blob` };
    await cancelWhen(connected, { request });
    mute.close();
  });

  it('works while the response is awaited', async () => {
    const requested = whenArmed((_, resolve) => resolve());
    await cancelWhen(requested);
  });

  it('works while the body has paused and the ring is empty', async () => {
    const paused = whenArmed((response, resolve) => {
      response.writeHead(200, { 'content-length': blob.length });
      response.write(blob.subarray(0, 100_000), () => setTimeout(resolve, 100));
    });
    await cancelWhen(paused);
  });

  it('works while the ring is full', async () => {
    const filled = whenArmed((response, resolve) => {
      response.end(blob);
      setTimeout(resolve, 250);
    });
    await cancelWhen(filled, {}, 'slow=layer-apply');
  });

  it('closes the connection', async () => {
    const requested = whenArmed((_, resolve) => resolve());
    await cancelWhen(requested);
    await until(() => [...sockets].every((socket) => socket.destroyed));
    expect(sockets.size).toBe(0);
  });

  it('fails at once when the signal was aborted before', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expectFailure('PULL_CANCELLED', () => openPool().stage(job(), { signal }));
  });
});

describe('WorkerPool.httpClient', () => {
  it('has one thread ask for the documents of all pulls at once', async () => {
    openPool();
    const held: ServerResponse[] = [];
    let onAll: () => void = () => {};
    const all = new Promise<void>((resolve) => {
      onAll = resolve;
    });
    answer = (response) => {
      held.push(response);
      if (held.length === 8) onAll();
    };
    const { request, transport } = job();
    const before = threads();
    const documents = Array.from({ length: 8 }, () => pool.httpClient(transport).fetchDocument(request, blob.length));
    await all;
    expect(threads() - before).toBe(1);
    for (const response of held) response.end(blob);
    for (const { body } of await Promise.all(documents)) expect(Buffer.from(body).equals(blob)).toBe(true);
  });
});

describe('WorkerPool.runner', () => {
  it('starts a few threads, however many calls come at once', async () => {
    openPool('none');
    const before = readdirSync('/proc/self/task').length;
    const answers = Array.from({ length: 40 }, (_, at) => echo(at));
    await echo('another');
    expect(readdirSync('/proc/self/task').length - before).toBeLessThan(16);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 40 }, (_, at) => at));
  });
});

describe('an operation that hangs in the kernel', () => {
  const makeFifo = async () => {
    const fifo = join(directory, 'fifo');
    await mustRun('mkfifo', [fifo]);
    return fifo;
  };

  it('is given up at its deadline, and what waits behind it runs on a new thread', async () => {
    openPool('none');
    const open = await makeFifo();
    // The thread has started: a thread that is cancelled while it starts ends like any other.
    await echo('warm');
    const before = performance.now();
    const stuck = expectFailure('STORE_STALLED', () => openFifo(open, within(300)));
    const behind = [echo('behind', within(60_000)), echo('without a deadline')];
    const { message } = await stuck;
    expect(message).toBe('no answer within 300 ms');
    expect(await Promise.all(behind)).toEqual(['behind', 'without a deadline']);
    expect(performance.now() - before).toBeLessThan(AT_ONCE_MS);
    expect(pool.stuckThreads).toBe(1);
    expect(await echo('another', within(300_000))).toBe('another');
    expect(pool.stuckThreads).toBe(1);
    // The disk answers again.
    closeSync(openSync(open, 'w'));
    await until(() => pool.stuckThreads === 0);
  });

  it('on a disk of its own says nothing about the disk of the store', async () => {
    openPool('none');
    const open = await makeFifo();
    const lane = { owner: 'volume', hasOwnDisk: true };
    await echo('warm', { lane });
    await expectFailure('STORE_STALLED', () => openFifo(open, { ...within(300), lane }));
    expect([pool.stuckThreads, pool.stuckStoreThreads]).toEqual([1, 0]);
    expect([pool.isStuck(lane), pool.isStuck({ ...lane }), pool.isStuck('foreground')]).toEqual([true, false, false]);
    await expectFailure('STORE_STALLED', () => openFifo(open, { ...within(300), lane: { owner: 'pull' } }));
    expect([pool.stuckThreads, pool.stuckStoreThreads]).toEqual([2, 1]);
    const release = openSync(open, 'w');
    await until(() => pool.stuckThreads === 0);
    closeSync(release);
  });

  it('fails what has waited for two in a row, with the errors of their own rooms', async () => {
    openPool('none');
    const open = await makeFifo();
    await echo('warm');
    const results = [
      openFifo(open, within(300)),
      openFifo(open, within(400)),
      openFifo(open, within(60_000, 'VOLUME_STALLED')),
      openFifo(open),
    ];
    const errors = await Promise.all(results.map((result) => failure(() => result)));
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ['STORE_STALLED', 'no answer within 300 ms'],
      ['STORE_STALLED', 'no answer within 400 ms'],
      ['VOLUME_STALLED', 'no answer within 400 ms'],
      ['STORE_STALLED', 'no answer within 400 ms'],
    ]);
    expect(pool.stuckThreads).toBe(2);
    const release = openSync(open, 'w');
    await until(() => pool.stuckThreads === 0);
    closeSync(release);
  });

  it('does not fail what waits while others are answered in between', async () => {
    openPool('none');
    const open = await makeFifo();
    await echo('warm');
    const stuck = (): Promise<unknown> => expectFailure('STORE_STALLED', () => openFifo(open, within(300)));
    const calls = [stuck(), echo('between', within(60_000)), stuck(), echo('last', within(60_000))];
    expect((await Promise.all(calls)).filter((answer) => typeof answer === 'string')).toEqual(['between', 'last']);
    const release = openSync(open, 'w');
    await until(() => pool.stuckThreads === 0);
    closeSync(release);
  });

  it('fails, begun or not, when the whole operation has to end by then', async () => {
    openPool('none');
    const open = await makeFifo();
    await echo('warm');
    const stuck = openFifo(open);
    const waiting = expectFailure('STORE_STALLED', () => openFifo(open, endsWithin(200)));
    await waiting;
    expect(pool.stuckThreads).toBe(0);
    closeSync(openSync(open, 'w'));
    await stuck;
    await expectFailure('STORE_STALLED', () => openFifo(open, endsWithin(200)));
    await expectFailure('STORE_STALLED', () => compute(60_000, endsWithin(200)));
    closeSync(openSync(open, 'w'));
    await until(() => pool.stuckThreads === 0);
  });

  it('in the background does not delay the foreground', async () => {
    openPool('none');
    const open = await makeFifo();
    const deleting = openFifo(open, { lane: 'background' });
    expect(await echo('short', within(300_000))).toBe('short');
    closeSync(openSync(open, 'w'));
    expect(await deleting).toEqual({ open });
    expect(pool.stuckThreads).toBe(0);
  });

  it('is still counted when the pool is closed, until the kernel lets go of it', async () => {
    openPool('none');
    const open = await makeFifo();
    const failing = expectFailure('LAYER_WORKER_FAILED', () => openFifo(open));
    const waits = () =>
      readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/wchan`, 'latin1'));
    await expect.poll(waits).toContain('wait_for_partner');
    pool.close();
    await failing;
    await new Promise((resolve) => setImmediate(resolve));
    expect(pool.stuckThreads).toBe(1);
    closeSync(openSync(open, 'w'));
    await until(() => pool.stuckThreads === 0);
  });

  it('does not count a thread as stuck that answers in time', async () => {
    openPool('none');
    for (const value of [1, 2, 3]) expect(await echo(value, within(300_000))).toBe(value);
    expect(pool.stuckThreads).toBe(0);
  });
});

describe('an operation that computes', () => {
  it('has no deadline, and neither has what waits behind it', async () => {
    openPool('none');
    const computing = compute(1_000, within(200));
    const behind = echo('behind', within(200));
    expect(await computing).toEqual({ ms: 1_000 });
    expect(await behind).toBe('behind');
    expect(pool.stuckThreads).toBe(0);
  });

  it('in a lane of its owner delays no other, and each owner has one thread', async () => {
    openPool('none');
    await echo('warm');
    const before = threads();
    const lane = { owner: 'pull' };
    const abort = new AbortController();
    const computing = [1, 2, 3].map(() => failure(() => compute(60_000, { lane, signal: abort.signal })));
    expect(await echo('other')).toBe('other');
    expect(await echo('another owner', { lane: { owner: 'pull' } })).toBe('another owner');
    expect(threads() - before).toBeLessThanOrEqual(1);
    abort.abort(new Error('enough'));
    const errors = await Promise.all(computing);
    expect(errors.map(({ code }) => code)).toEqual(['PULL_CANCELLED', 'PULL_CANCELLED', 'PULL_CANCELLED']);
    await until(() => pool.stuckThreads === 0);
  });
});
