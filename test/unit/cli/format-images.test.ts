import { describe, expect, it } from 'vitest';
import { formatImages } from '../../../src/cli/commands/images.ts';
import { DIGEST, IMAGE } from './cli-bench.ts';

const columns = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

describe('formatImages', () => {
  it('has a line of headings, also for no image', () => {
    expect(columns(formatImages([]))).toEqual([['NAME', 'TAG/DIGEST', 'PLATFORM', 'SIZE', 'SHARED', 'USED']]);
  });

  it('has a line for each name of an image, by tag, by digest or by both', () => {
    const names = [...IMAGE.names, `registry.example/app:1@${DIGEST}`];
    const [, ...lines] = columns(formatImages([{ ...IMAGE, names }]));
    expect(lines.map(([name, tag]) => [name, tag])).toEqual([
      ['registry.example/app', '1'],
      ['registry.example/app', DIGEST],
      ['registry.example/app', `1@${DIGEST}`],
    ]);
    expect(lines[0]?.slice(2)).toEqual(['linux/amd64', '1.5 MB', '0 B', 'mounted']);
  });

  it('has one for an image that lost its name', () => {
    const [, line] = columns(formatImages([{ ...IMAGE, names: [], mounts: [] }]));
    expect(line).toEqual(['<none>', DIGEST, 'linux/amd64', '1.5 MB', '0 B', '-']);
  });

  it('says how often an image is mounted', () => {
    const [, line] = columns(formatImages([{ ...IMAGE, mounts: ['/a', '/b'] }]));
    expect(line?.at(-1)).toBe('mounted 2×');
  });

  it('sets its columns under each other', () => {
    const lines = formatImages([IMAGE]).trimEnd().split('\n');
    expect(new Set(lines.map((line) => line.search(/PLATFORM|linux/))).size).toBe(1);
  });
});
