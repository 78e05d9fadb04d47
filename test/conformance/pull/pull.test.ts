import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { IMAGE_ROWS } from './image-rows.ts';
import type { PullRow } from './pull-row.ts';
import { openPullers, PULLERS, type Puller, type PullerName, type PullOutcome } from './pullers.ts';
import { REGISTRY_ROWS } from './registry-rows.ts';

const ROWS: readonly PullRow[] = [...IMAGE_ROWS, ...REGISTRY_ROWS];

async function pullWith(puller: Puller, { serve, auth }: PullRow): Promise<PullOutcome> {
  const bed = await PullBed.open(auth);
  try {
    return await puller.pull(bed, bed.reference(serve(bed)));
  } finally {
    await bed.close();
  }
}

describe('sealift, skopeo, podman and containerd make of', () => {
  const table: string[][] = [['', ...PULLERS]];
  let pullers: readonly Puller[] = [];
  let missing: readonly PullerName[] = [];

  beforeAll(async () => {
    ({ pullers, missing } = await openPullers());
  });

  afterAll(async () => {
    for (const puller of pullers) await puller[Symbol.asyncDispose]();
    const lacking = missing.length === 0 ? '' : `\nnot run, because this machine lacks them: ${missing.join(', ')}`;
    process.stdout.write(`\n${formatTable(table)}${lacking}\n`);
  });

  it.each(ROWS)('$title: what the table says', async (row) => {
    const outcomes = new Map<PullerName, PullOutcome>();
    const run = async (puller: Puller) => void outcomes.set(puller.name, await pullWith(puller, row));
    await Promise.all(pullers.map(run));
    table.push([row.title, ...PULLERS.map((name) => outcomes.get(name)?.verdict ?? '(missing)')]);
    for (const { name } of pullers) {
      const { verdict, output } = outcomes.get(name) ?? { verdict: undefined, output: '' };
      expect.soft(verdict, `${name}: ${output}`).toBe(row.verdicts[name]);
    }
  });
});

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}
