import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift } from '../support/programs/sealift-command.ts';

describeWith(['docker-registry'], 'sealift pull --debug', () => {
  let bed: TestBed;

  beforeAll(async () => {
    bed = await TestBed.open();
    await bed.push('small', 'latest', await buildSmallImage(bed.scratch.path));
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  it('writes one line of JSON on standard error for each stage, and the answer alone on standard output', async () => {
    const reference = bed.reference('small:latest');
    const target = ['--unpack', bed.scratch.join('debug')];
    const options = ['--insecure-policy', '--tls-verify=false', '--debug'];
    const { error, stderr, result } = await runSealift(['pull', reference, ...options, ...target]);
    expect(error).toBeUndefined();
    expect(result['manifestDigest']).toMatch(/^sha256:/);
    const lines = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line): Record<string, unknown> => JSON.parse(line));
    const stages = lines.filter(({ msg }) => msg === 'pull stage');
    expect(stages.map(({ stage }) => stage)).toContain('layers');
    expect(stages.every((line) => line['reference'] === reference && line['level'] === 'info')).toBe(true);
  });
});
