import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileRange, LayerJob } from '../../../src/layer/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Digest, hashBytes } from '../../../src/oci/index.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { WORKER_BUNDLE } from '../../support/pools/worker-bundles.ts';

const BEFORE = Buffer.alloc(777, 'before');
const AFTER = Buffer.alloc(777, 'after');

const content = Buffer.alloc(6 << 20);
for (let offset = 0; offset < content.length; offset += 32) {
  createHash('sha256').update(`${offset}`).digest().copy(content, offset);
}
const archive = tar([file('content', content), file('small', 'hello')]);
const blob = gzipSync(archive, { level: 1 });

let directory: string;
let pool: WorkerPool;
let fd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sealift-origin-'));
  pool = new WorkerPool({ entry: WORKER_BUNDLE, idleMs: 10_000, limits: DEFAULT_LIMITS, cores: 2, treeThread: false });
  write(blob);
});

afterEach(() => {
  pool.close();
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** A file with the blob in the middle of it. */
function write(bytes: Uint8Array): void {
  writeFileSync(join(directory, 'blobs'), Buffer.concat([BEFORE, bytes, AFTER]));
  fd = openSync(join(directory, 'blobs'), 'r');
}

function rewrite(bytes: Uint8Array): void {
  closeSync(fd);
  write(bytes);
}

function job(change: Partial<FileRange> = {}, tree = 'tree'): LayerJob {
  mkdirSync(join(directory, tree));
  return {
    blobDigest: hashBytes(blob),
    blobSize: blob.length,
    compression: 'gzip',
    diffId: hashBytes(archive),
    file: { fd, offset: BEFORE.length, length: blob.length, ...change },
    factsPath: undefined,
    target: { kind: 'overlay', directory: join(directory, tree), lowers: undefined },
  };
}

const stage = (change?: Partial<FileRange>) => pool.stage(job(change), {});

describe('a layer in a part of a file', () => {
  it('is applied as one from a server is', async () => {
    let reported = 0;
    const staged = await pool.stage(job(), { onProgress: (bytes) => (reported = bytes) });
    expect(staged.layerBytes).toBe(archive.length);
    expect(staged.facts.entries).toBe(2);
    expect(readFileSync(join(directory, 'tree/content')).equals(content)).toBe(true);
    expect(reported).toBeGreaterThan(1 << 20);
  });

  it('is applied beside others, one after the other', async () => {
    const trees = ['one', 'two', 'three', 'four', 'five'];
    await Promise.all(trees.map((tree) => pool.stage(job({}, tree), {})));
    for (const tree of trees) expect(readFileSync(join(directory, tree, 'small'), 'utf8')).toBe('hello');
  });

  it.each([0, 20, 3_000_000, -1])('is refused by its digest when byte %i is another', async (position) => {
    const flipped = Buffer.from(blob);
    const at = position < 0 ? flipped.length + position : position;
    flipped[at] = (flipped[at] ?? 0) ^ 0xff;
    rewrite(flipped);
    await expectFailure('BLOB_DIGEST_MISMATCH', () => stage());
  });

  it.each([
    ['a byte short', { length: blob.length - 1 }],
    ['a byte long', { length: blob.length + 1 }],
    ['cut off by the end of the file', { offset: BEFORE.length + AFTER.length + 1 }],
    ['behind the end of the file', { offset: 1 << 30 }],
  ])('is refused by its size when it is %s', async (_, change) => {
    await expectFailure('BLOB_SIZE_MISMATCH', () => stage(change));
  });

  it('is refused by its diffID when the config promised another', async () => {
    const wrong: LayerJob = { ...job(), diffId: `sha256:${'00'.repeat(32)}` as Digest };
    await expectFailure('DIFFID_MISMATCH', () => pool.stage(wrong, {}));
  });

  it('cannot be read from what is no file', async () => {
    const folder = openSync(directory, 'r');
    try {
      await expectFailure('ARCHIVE_READ_FAILED', () => stage({ fd: folder }));
    } finally {
      closeSync(folder);
    }
  });

  it('is given up when the pull is cancelled', async () => {
    const abort = new AbortController();
    const pending = pool.stage(job(), { signal: abort.signal, onProgress: () => abort.abort() });
    await expectFailure('PULL_CANCELLED', () => pending);
    // The threads are free again.
    expect((await pool.stage(job({}, 'again'), {})).facts.entries).toBe(2);
  });
});
