import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PullTarget } from '../../../src/pull/index.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { DOCKER, digestOf, OCI, oddLayer, serveOddImage } from '../../support/builders/odd-image.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';

const FILES = [dir('./'), file('f', 'content')];

const LABELS = [
  ['gzip', OCI.layer, 'a plain tar'],
  ['zstd', OCI.layer, 'a plain tar'],
  ['none', `${OCI.layer}+gzip`, 'gzip'],
  ['zstd', `${DOCKER.layer}.gzip`, 'gzip'],
  ['gzip', `${OCI.layer}+zstd`, 'zstd'],
  ['none', `${DOCKER.layer}.zstd`, 'zstd'],
] as const;
const WORDS = { none: 'a plain tar', gzip: 'gzip', zstd: 'zstd' };

describeWith(['root'], 'a layer whose media type names another format', () => {
  let bed: PullBed;
  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(() => bed.close());

  it.each(LABELS)('is read as what it is: %s as %s', async (compression, mediaType, labelled) => {
    const layer = oddLayer(FILES, { compression, mediaType });
    const { digest } = serveOddImage(bed, { layers: [layer, layer] });
    const warning =
      `layer ${digestOf(layer.blob)}: expected ${labelled} as its media type says, ` +
      `got ${WORDS[compression]}; it was read as that`;

    const target: PullTarget = { kind: 'unpack', directory: bed.path(`tree-${compression}-${labelled}`) };
    const unpacked = await bed.pull(digest, target, { settings: { 'store.root': undefined as never } });
    expect(unpacked.warnings).toEqual([warning]);
    expect(readFileSync(`${target.directory}/f`, 'utf8')).toBe('content');

    const settings = { 'store.root': bed.path(`store-${compression}-${labelled}`) };
    const stored = await bed.pull(digest, { kind: 'store' }, { settings });
    expect(stored.warnings).toEqual([warning]);
    const known = await bed.pull(digest, { kind: 'store' }, { settings });
    expect([known.warnings, known.layers.map(({ fetches }) => fetches)]).toEqual([[], [0, 0]]);
  });
});
