import { describe, expect, it } from 'vitest';
import { createProgress, renderLayer, renderLayers } from '../../../src/cli/progress.ts';
import { parseDigest } from '../../../src/oci/index.ts';
import type { LayerProgressState } from '../../../src/pull/types.ts';

function layer(n: number, state: LayerProgressState = 'fetching', bytes = 500, total = 1000) {
  const digest = parseDigest(`sha256:${n.toString(16).padStart(12, '0').padEnd(64, '0')}`);
  return { type: 'layer', digest, state, bytes, total } as const;
}

function sink(isTTY = true) {
  const written: string[] = [];
  const stream = { isTTY, columns: 80, rows: 24, write: (chunk: string | Uint8Array) => written.push(String(chunk)) };
  return { stream, written };
}

describe('renderLayer', () => {
  it('shows digest, state, bar and bytes', () => {
    expect(renderLayer(layer(1, 'fetching', 12_300_000, 24_600_000), 80)).toBe(
      `000000000001 fetching  [${'='.repeat(17)}${' '.repeat(17)}]   12.3 MB / 24.6 MB`,
    );
  });

  it.each([200, 80, 60, 50, 40, 20, 10, 2])('never wraps a terminal of %i columns', (columns) => {
    for (const bytes of [0, 1, 999_999_999_999]) {
      expect(renderLayer(layer(1, 'verifying', bytes, 1_000_000_000_000), columns).length).toBeLessThan(columns);
    }
  });

  it.each([
    [0, 0, 34],
    [0, 10, 0],
    [10, 10, 34],
    [20, 10, 34],
  ])('fills the bar for %i of %i bytes within its bounds', (bytes, total, filled) => {
    const line = renderLayer(layer(1, 'fetching', bytes, total), 80);
    expect(line.split('=').length - 1).toBe(filled);
  });
});

describe('renderLayers', () => {
  it('shows those under way and a count when there are more layers than rows', () => {
    const layers = Array.from({ length: 50 }, (_, n) => layer(n, n < 20 ? 'done' : n < 30 ? 'fetching' : 'waiting'));
    const lines = renderLayers(layers, 80, 10);
    expect(lines).toHaveLength(8);
    expect(lines.at(-1)).toBe('20 of 50 layers done');
    expect(lines[0]).toContain('fetching');
  });
});

describe('createProgress', () => {
  it('draws over its own lines, at most every 100 ms unless a state changes', () => {
    const { stream, written } = sink();
    let now = 0;
    const { onEvent, close } = createProgress({ stream, quiet: false, now: () => now });
    onEvent(layer(1, 'waiting', 0));
    onEvent(layer(2, 'waiting', 0));
    expect(written).toHaveLength(2);
    expect(written[1]).toMatch(/^\u001b\[1A\u001b\[J000000000001 .*\n000000000002 .*\n$/);
    onEvent(layer(1, 'fetching', 1));
    now = 99;
    onEvent(layer(1, 'fetching', 2));
    expect(written).toHaveLength(3);
    now = 100;
    onEvent(layer(1, 'fetching', 3));
    expect(written).toHaveLength(4);
    expect(written[3]?.startsWith('\u001b[2A\u001b[J')).toBe(true);
    close();
    expect(written).toHaveLength(5);
    onEvent(layer(1, 'done'));
    close();
    expect(written).toHaveLength(5);
  });

  it('puts warnings above the bars, without control characters', () => {
    const { stream, written } = sink();
    const { onEvent } = createProgress({ stream, quiet: false, now: () => 0 });
    onEvent(layer(1));
    onEvent({ type: 'warning', message: 'entry \u001b[2J dropped' });
    expect(written[1]).toMatch(/^\u001b\[1A\u001b\[Jwarning: entry {2}\[2J dropped\n000000000001 /);
  });

  it.each([
    ['without a terminal', false, false],
    ['when quiet', true, true],
  ])('%s draws no bars, and still warns', (_, isTTY, quiet) => {
    const { stream, written } = sink(isTTY);
    const { onEvent, close } = createProgress({ stream, quiet, now: () => 0 });
    onEvent(layer(1));
    onEvent({ type: 'stage', stage: 'layers' });
    onEvent({ type: 'warning', message: 'w' });
    close();
    expect(written).toEqual(['warning: w\n']);
  });
});
