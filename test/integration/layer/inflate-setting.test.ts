import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { InflateMode, LayerJob } from '../../../src/layer/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import { incompleteMember } from '../../support/inflate/incomplete-codes.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { WORKER_BUNDLE } from '../../support/pools/worker-bundles.ts';

const ARCHIVE = tar([file('small', 'hello')]);

/**
 * The one known difference: a block whose set of codes is incomplete. RFC 1951 does not forbid it, no encoder writes it,
 * and there is one way to read it. ISA-L reads it unless an unknown code occurs; zlib and Go refuse it.
 */
describeWith(['libisal'], 'a block with an incomplete set of codes', () => {
  let scratch: Scratch;
  let pool: WorkerPool | undefined;
  let fd: number;

  beforeEach(() => {
    scratch = new Scratch('inflate');
  });

  afterEach(() => {
    pool?.close();
    closeSync(fd);
    scratch[Symbol.dispose]();
  });

  async function stage(usesUnknown: boolean, inflate?: InflateMode) {
    const blob = Buffer.concat([gzipSync(ARCHIVE), incompleteMember({ usesUnknown })]);
    const path = scratch.join('blob');
    writeFileSync(path, blob);
    fd = openSync(path, 'r');
    mkdirSync(scratch.join('tree'));
    const job: LayerJob = {
      blobDigest: hashBytes(blob),
      blobSize: blob.length,
      compression: 'gzip',
      diffId: hashBytes(ARCHIVE),
      file: { fd, offset: 0, length: blob.length },
      factsPath: undefined,
      target: { kind: 'overlay', directory: scratch.join('tree'), lowers: undefined },
    };
    const threads = { entry: WORKER_BUNDLE, idleMs: 10_000, limits: DEFAULT_LIMITS, cores: 2, treeThread: false };
    pool = new WorkerPool({ ...threads, ...(inflate && { inflate }) });
    return pool.stage(job, {});
  }

  it.each([undefined, 'auto'] as const)('is read with inflate = %s, which is ISA-L here', async (inflate) => {
    expect((await stage(false, inflate)).layerBytes).toBe(ARCHIVE.length);
  });

  it('is refused with inflate = zlib', async () => {
    const error = await expectFailure('LAYER_DECOMPRESS_FAILED', () => stage(false, 'zlib'));
    expect(error.message).toContain('invalid literal/lengths set');
  });

  it.each(['auto', 'zlib'] as const)(
    'is refused with inflate = %s if a code occurs that means nothing',
    async (inflate) => {
      await expectFailure('LAYER_DECOMPRESS_FAILED', () => stage(true, inflate));
    },
  );
});
