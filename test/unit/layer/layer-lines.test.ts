import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { LayerLines, type LineThreads } from '../../../src/layer/layer-lines.ts';
import type { LayerJob, LineThread } from '../../../src/layer/types.ts';
import type { Digest } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;

const JOB: LayerJob = {
  blobDigest: DIGEST,
  blobSize: 1,
  compression: 'gzip',
  diffId: DIGEST,
  target: { kind: 'overlay', directory: '/layer', lowers: undefined },
  factsPath: undefined,
  file: { fd: 0, offset: 0, length: 1 },
};

function idleThread(): LineThread {
  const never = () => ({ answer: new Promise<never>(() => undefined), cancel: () => undefined });
  return { isDead: false, fetchLayer: never, applyLayer: never, hashImage: never, releaseTarget: () => undefined };
}

describe('LayerLines', () => {
  it.each(['networked', 'plain'] as const)('keeps no thread when the %s one of a pair cannot start', async (kind) => {
    const lent = new Set<LineThread>();
    const threads: LineThreads<LineThread> = {
      acquire: (wanted) => {
        if (wanted === kind) throw new SealiftError('LAYER_WORKER_FAILED', 'as the test wants it');
        const thread = idleThread();
        lent.add(thread);
        return thread;
      },
      release: (thread) => lent.delete(thread),
      awaitCancellable: ({ answer }) => answer,
    };
    const lines = new LayerLines({ cores: 2, treeThread: false, threads });
    await expectFailure('LAYER_WORKER_FAILED', () => lines.stage(JOB, {}));
    expect(lent.size).toBe(0);
  });
});
