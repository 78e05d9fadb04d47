import { describe, expect, it } from 'vitest';
import { limitLayers } from '../../../src/daemon/limit-layers.ts';
import type { PullPorts } from '../../../src/pull/index.ts';
import { expectFailure } from '../../support/matchers.ts';

type Pool = PullPorts['pool'];
type Staged = Awaited<ReturnType<Pool['stage']>>;

const JOB = {} as Parameters<Pool['stage']>[0];
const STAGED = { layerBytes: 1 } as Staged;

function pausing() {
  const begun: PromiseWithResolvers<Staged>[] = [];
  const pool: Pool = {
    stage: () => {
      const gate = Promise.withResolvers<Staged>();
      begun.push(gate);
      return gate.promise;
    },
    openLine: async () => ({ stage: async () => STAGED, close: () => {} }),
  };
  return { pool, begun };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('limitLayers', () => {
  it('lets so many layers go at a time, and the next when one is whole', async () => {
    const { pool, begun } = pausing();
    const limited = limitLayers(pool, 2);
    const all = [1, 2, 3, 4].map(() => limited.stage(JOB, {}));
    await turn();
    expect(begun).toHaveLength(2);
    begun[0]?.resolve(STAGED);
    await turn();
    expect(begun).toHaveLength(3);
    begun[1]?.resolve(STAGED);
    begun[2]?.resolve(STAGED);
    await turn();
    begun[3]?.resolve(STAGED);
    expect(await Promise.all(all)).toEqual([STAGED, STAGED, STAGED, STAGED]);
  });

  it('goes on after a layer that failed', async () => {
    const { pool, begun } = pausing();
    const limited = limitLayers(pool, 1);
    const failing = limited.stage(JOB, {});
    const next = limited.stage(JOB, {});
    await turn();
    begun[0]?.reject(new Error('broken'));
    await expect(failing).rejects.toThrow('broken');
    await turn();
    begun[1]?.resolve(STAGED);
    expect(await next).toBe(STAGED);
  });

  it('lets a layer go that is cancelled while it waits, and never begins it', async () => {
    const { pool, begun } = pausing();
    const limited = limitLayers(pool, 1);
    const abort = new AbortController();
    const first = limited.stage(JOB, {});
    const waiting = expectFailure('PULL_CANCELLED', () => limited.stage(JOB, { signal: abort.signal }));
    await turn();
    abort.abort(new Error('deadline'));
    await waiting;
    begun[0]?.resolve(STAGED);
    await first;
    expect(begun).toHaveLength(1);
  });
});
