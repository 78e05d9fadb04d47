import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { readTar } from '../../../src/unpack/index.ts';
import { loadRichImage } from '../../support/builders/debian-image.ts';
import { compareForms, type Layer } from '../../support/builders/layer-forms.ts';
import { tarStream } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const NEEDS = ['root', 'fsck.erofs', 'getfattr'];

const fromArchive =
  (chunks: () => Iterable<Uint8Array>): Layer =>
  (sink) => {
    const line = readTar(DEFAULT_LIMITS, sink);
    for (const chunk of chunks()) line.write(chunk);
    line.end();
  };

describeWith(NEEDS, 'erofs and directory forms of whole layers', () => {
  it('show the same tree for an image of Debian packages', async () => {
    using scratch = new Scratch('forms');
    const { layers } = await loadRichImage();
    const archives = layers.map((members) => fromArchive(() => tarStream(members)));
    const { differences, refused, merged } = await compareForms(scratch.path, archives);
    expect(differences).toEqual([]);
    expect(refused).toBeUndefined();
    expect(merged?.size).toBeGreaterThan(500);
  });
});
