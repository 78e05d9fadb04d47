import { describe, expect, it } from 'vitest';
import type { DaemonFacts } from '../../../src/daemon/index.ts';
import { PullStatistics } from '../../../src/daemon/pull-statistics.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { createAnswers } from '../../../src/health/answer-request.ts';
import type { HealthPorts } from '../../../src/health/types.ts';
import { healthFacts } from './health-sample.ts';

function world(facts: DaemonFacts = healthFacts()) {
  const seen = { measured: 0, clock: 0, isSilent: false };
  const ports: HealthPorts = {
    facts: () => facts,
    measureSpace: async () => {
      seen.measured += 1;
      if (seen.isSilent) return undefined;
      return { sizeBytes: seen.measured, usedBytes: 0, availableBytes: 0 };
    },
    memory: () => ({ rssBytes: 3, anonymousBytes: 1, fileBytes: 2 }),
    nowMs: () => seen.clock,
  };
  const answer = createAnswers(ports);
  return { seen, ask: (target: string, method = 'GET') => answer({ method, target }) };
}

describe('the answers', () => {
  it('are JSON for health, with its status, and the text format for metrics', async () => {
    const { ask } = world();
    expect(await ask('/healthz')).toMatchObject({ status: 200, type: 'application/json' });
    expect(await ask('/metrics?x=1')).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    const refused = world(healthFacts({ obstacle: new SealiftError('CONFIG_UNSUPPORTED', 'no') }));
    expect(await refused.ask('/healthz')).toMatchObject({ status: 503 });
    expect(await refused.ask('/metrics')).toMatchObject({ status: 200 });
  });

  it('are no others', async () => {
    const { ask } = world();
    for (const target of ['/', '/healthz/', '/debug', '//healthz', '']) expect((await ask(target)).status).toBe(404);
    expect((await ask('/healthz', 'POST')).status).toBe(405);
    expect((await ask('/metrics', 'DELETE')).status).toBe(405);
  });

  it('never ask the disk for health, and for metrics once in half a minute', async () => {
    const { ask, seen } = world();
    await ask('/healthz');
    expect(seen.measured).toBe(0);
    await Promise.all([ask('/metrics'), ask('/metrics')]);
    seen.clock = 29_999;
    expect((await ask('/metrics')).body).toContain('sealift_store_size_bytes{place="device"} 1\n');
    seen.clock = 30_000;
    expect((await ask('/metrics')).body).toContain('sealift_store_size_bytes{place="device"} 2\n');
    expect(seen.measured).toBe(2);
  });

  it('measure again when a pull has ended, or when the store is another', async () => {
    const pulls = new PullStatistics();
    const facts = healthFacts({ pulls });
    const { ask, seen } = world(facts);
    await ask('/metrics');
    const ended = pulls.begin();
    await ask('/metrics');
    expect(seen.measured).toBe(1);
    ended('POLICY_DENIED', 1);
    await ask('/metrics');
    expect(seen.measured).toBe(2);
    Object.assign(facts.volume, { state: 'stalled' });
    await ask('/metrics');
    expect(seen.measured).toBe(3);
  });

  it('measure again at once where nothing answered', async () => {
    const { ask, seen } = world();
    seen.isSilent = true;
    expect((await ask('/metrics')).body).not.toContain('sealift_store_size_bytes');
    seen.isSilent = false;
    expect((await ask('/metrics')).body).toContain('sealift_store_size_bytes{place="device"} 2\n');
  });

  it('leave a disk alone that holds a thread', async () => {
    const { ask, seen } = world(healthFacts({ stuckThreads: 1 }));
    expect((await ask('/metrics')).body).not.toContain('sealift_store_size_bytes');
    expect(seen.measured).toBe(0);
  });
});
