import { describe, expect, it } from 'vitest';
import { PullStatistics } from '../../../src/daemon/pull-statistics.ts';
import { formatMetrics } from '../../../src/health/format-metrics.ts';
import { parseDigest } from '../../../src/oci/index.ts';
import { healthFacts } from './health-sample.ts';

const DIGEST = parseDigest(`sha256:${'ab'.repeat(32)}`);
const MEMORY = { rssBytes: 60_000_000, anonymousBytes: 20_000_000, fileBytes: 39_000_000 };
const SPACE = { sizeBytes: 1_800, usedBytes: 120, availableBytes: 1_680 };

function metricsOf(pulls = new PullStatistics(), space: typeof SPACE | undefined = SPACE): string {
  return formatMetrics({ facts: healthFacts({ pulls, stuckThreads: 2 }), space, memory: MEMORY });
}

const sample = (text: string, name: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1);

describe('formatMetrics', () => {
  it('is the text format: a help and a type for each name, then its samples, and a newline at the end', () => {
    const text = metricsOf();
    expect(text.endsWith('\n')).toBe(true);
    let current = '';
    for (const line of text.trimEnd().split('\n')) {
      const [, declared] = /^# (?:HELP|TYPE) ([a-z_]+) /.exec(line) ?? [];
      current = declared ?? current;
      if (declared !== undefined) continue;
      expect(line).toMatch(/^[a-z_]+(?:\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})? -?[0-9.e+]+$/);
      expect(line.startsWith(current)).toBe(true);
    }
    const names = [...text.matchAll(/^# TYPE ([a-z_]+) /gm)].map((match) => match[1]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('counts pulls by their outcome', () => {
    const pulls = new PullStatistics();
    pulls.begin()('ok', 0.3);
    pulls.begin()('ok', 70);
    pulls.begin()('POLICY_DENIED', 0.01);
    pulls.begin();
    pulls.addProgress({ type: 'layer', digest: DIGEST, state: 'done', bytes: 1_000, total: 1_000 });
    pulls.addProgress({ type: 'layer', digest: DIGEST, state: 'fetching', bytes: 500, total: 1_000 });
    const text = metricsOf(pulls);
    expect(sample(text, 'sealift_pulls_total{outcome="ok"}')).toBe('2');
    expect(sample(text, 'sealift_pulls_total{outcome="POLICY_DENIED"}')).toBe('1');
    expect(sample(text, 'sealift_pulls_under_way')).toBe('1');
    expect(sample(text, 'sealift_fetched_bytes_total')).toBe('1000');
  });

  it('counts requirements by type and result, signatures by kind and result, and the seconds of verdicts', () => {
    const pulls = new PullStatistics();
    const signatures = [
      { kind: 'sigstore-bundle', result: 'accepted' },
      { kind: 'sigstore-bundle', result: 'identity' },
      { kind: 'simple-signing', result: 'not-checked' },
    ] as const;
    const signed = { requirements: [{ type: 'sigstoreSigned', result: 'accepted' }], signatures } as const;
    pulls.addProgress({ type: 'verdict', result: 'accepted', seconds: 0.03, summary: signed });
    pulls.addProgress({ type: 'verdict', result: 'accepted', seconds: 0.3, summary: { ...signed, signatures: [] } });
    const rejected = { requirements: [{ type: 'reject', result: 'denied' }], signatures: [] } as const;
    pulls.addProgress({ type: 'verdict', result: 'denied', seconds: 70, summary: rejected });
    const text = metricsOf(pulls);
    const verdicts = (labels: string) => sample(text, `sealift_policy_verdicts_total{${labels}}`);
    expect(verdicts('requirement="sigstoreSigned",result="accepted"')).toBe('2');
    expect(verdicts('requirement="reject",result="denied"')).toBe('1');
    const found = (labels: string) => sample(text, `sealift_signatures_total{${labels}}`);
    expect(found('kind="sigstore-bundle",result="accepted"')).toBe('1');
    expect(found('kind="sigstore-bundle",result="identity"')).toBe('1');
    expect(found('kind="simple-signing",result="not-checked"')).toBe('1');
    const below = (result: string, bound: string) =>
      sample(text, `sealift_policy_seconds_bucket{result="${result}",le="${bound}"}`);
    expect([below('accepted', '0.01'), below('accepted', '0.05'), below('accepted', '0.5')]).toEqual(['0', '1', '2']);
    expect([below('refused', '60'), below('refused', '+Inf')]).toEqual(['0', '1']);
  });

  it('counts documents by source and result', () => {
    const pulls = new PullStatistics();
    pulls.addResource({ source: 'kbs', result: 'ok' });
    pulls.addResource({ source: 'kbs', result: 'ok' });
    pulls.addResource({ source: 'kbs', result: 'KEYBROKER_DENIED' });
    const text = metricsOf(pulls);
    expect(sample(text, 'sealift_resources_total{source="kbs",result="ok"}')).toBe('2');
    expect(sample(text, 'sealift_resources_total{source="kbs",result="KEYBROKER_DENIED"}')).toBe('1');
  });

  it('has cumulative buckets, whose last is all', () => {
    const pulls = new PullStatistics();
    for (const seconds of [0.3, 0.4, 70, 5_000]) pulls.begin()('ok', seconds);
    const text = metricsOf(pulls);
    const below = (bound: string) => sample(text, `sealift_pull_seconds_bucket{result="ok",le="${bound}"}`);
    expect(['0.1', '0.5', '60', '120', '1200', '+Inf'].map(below)).toEqual(['0', '2', '2', '3', '3', '4']);
    expect(sample(text, 'sealift_pull_seconds_count{result="ok"}')).toBe('4');
    expect(sample(text, 'sealift_pull_seconds_sum{result="ok"}')).toBe('5070.7');
    expect(sample(text, 'sealift_pull_seconds_count{result="error"}')).toBe('0');
  });

  it('tells the store’s state and room, and the daemon’s memory', () => {
    const text = metricsOf();
    expect(sample(text, 'sealift_store_state{state="ready"}')).toBe('1');
    expect(sample(text, 'sealift_store_state{state="stalled"}')).toBe('0');
    expect(sample(text, 'sealift_store_size_bytes{place="device"}')).toBe('1800');
    expect(sample(text, 'sealift_store_used_bytes{place="device"}')).toBe('120');
    expect(sample(text, 'sealift_store_available_bytes{place="device"}')).toBe('1680');
    expect(sample(text, 'sealift_stuck_threads')).toBe('2');
    expect(sample(text, 'process_resident_memory_bytes')).toBe('60000000');
    expect(sample(text, 'sealift_anonymous_memory_bytes')).toBe('20000000');
    expect(sample(text, 'sealift_file_memory_bytes')).toBe('39000000');
    expect(sample(text, 'sealift_build_info{version="1.2.3"}')).toBe('1');
  });

  it('leaves out a room that was not measured, and says nothing of images', () => {
    expect(formatMetrics({ facts: healthFacts(), space: undefined, memory: MEMORY })).not.toContain(
      'sealift_store_size',
    );
    expect(metricsOf()).not.toMatch(/sha256|registry/);
  });
});
