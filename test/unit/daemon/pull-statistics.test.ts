import { describe, expect, it } from 'vitest';
import { countPulls } from '../../../src/daemon/count-pulls.ts';
import { PullStatistics } from '../../../src/daemon/pull-statistics.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const CALL = { imageUrl: 'a', bundlePath: '/b', requestId: 'r', signal: new AbortController().signal };

describe('PullStatistics', () => {
  it('counts pulls by what they ended with', () => {
    const statistics = new PullStatistics();
    statistics.begin()('ok', 1);
    statistics.begin()('ok', 2);
    statistics.begin()('POLICY_DENIED', 3);
    expect([...statistics.outcomes]).toEqual([
      ['ok', 2],
      ['POLICY_DENIED', 1],
    ]);
    expect([statistics.ok.count, statistics.failed.count]).toEqual([2, 1]);
  });

  it('puts each time under the first bound that is not smaller, and none beyond the last', () => {
    const { ok, begin } = bound(new PullStatistics());
    for (const seconds of [0, 0.1, 0.11, 60, 60.1, 1_200, 5_000]) begin()('ok', seconds);
    const at = (seconds: number) => ok.counts[ok.bounds.indexOf(seconds)];
    expect([at(0.1), at(0.5), at(60), at(120), at(1_200)]).toEqual([2, 1, 1, 1, 1]);
    expect(ok.count).toBe(7);
    expect(ok.sum).toBeCloseTo(6_320.31);
  });

  it('knows the bounds where others give up', () => {
    expect(new PullStatistics().ok.bounds).toEqual(expect.arrayContaining([60, 120, 1_200]));
  });

  function bound(statistics: PullStatistics) {
    return {
      ok: statistics.ok as { counts: number[]; bounds: readonly number[]; count: number; sum: number },
      begin: () => statistics.begin(),
    };
  }
});

describe('countPulls', () => {
  it('counts a pull as under way until it is answered, and tells its time', async () => {
    const statistics = new PullStatistics();
    const gate = Promise.withResolvers<{ manifestDigest: string }>();
    let clock = 0;
    const counted = countPulls({ pullImage: () => gate.promise }, statistics, () => clock);
    const pulling = counted.pullImage(CALL);
    expect(statistics.underWay).toBe(1);
    clock = 2_500;
    gate.resolve({ manifestDigest: 'sha256:1' });
    expect(await pulling).toEqual({ manifestDigest: 'sha256:1' });
    expect([statistics.underWay, statistics.ok.sum]).toEqual([0, 2.5]);
  });

  it('counts failures by their code, and throws them as they are', async () => {
    const statistics = new PullStatistics();
    const failures = [new SealiftError('POLICY_DENIED', 'no'), new TypeError('a bug')];
    const service = { pullImage: async () => Promise.reject(failures.shift()) };
    const counted = countPulls(service, statistics, () => 0);
    await expectFailure('POLICY_DENIED', () => counted.pullImage(CALL));
    await expect(counted.pullImage(CALL)).rejects.toThrow(TypeError);
    expect([...statistics.outcomes]).toEqual([
      ['POLICY_DENIED', 1],
      ['INTERNAL', 1],
    ]);
    expect(statistics.underWay).toBe(0);
  });
});
