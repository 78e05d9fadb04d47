import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { mount, umount } from '../../../src/platform/index.ts';
import { readTar } from '../../../src/unpack/index.ts';
import { CORPUS } from '../../conformance/tar/corpus.ts';
import { compareForms, type Layer } from '../../support/builders/layer-forms.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

/** Archives that only one of the forms can hold. */
const DIFFERENT = [
  // Together with the path of the staging directory, it is too long for a system call.
  'pax-path-4095-bytes',
  // The value is one byte too long for EROFS.
  'pax-xattr-value-64-kib',
];

const fromArchive =
  (archive: Uint8Array): Layer =>
  (sink) => {
    const line = readTar(DEFAULT_LIMITS, sink);
    line.write(archive);
    line.end();
  };

describeWith(['root', 'fsck.erofs', 'getfattr'], 'erofs and directory forms of odd archives', () => {
  // On tmpfs, which can hold every time; ext4 ends in 2446.
  it('show the same tree, or refuse with the same code', async () => {
    using scratch = new Scratch('forms');
    mount({ source: 'tmpfs', target: scratch.path, type: 'tmpfs', data: 'mode=700' });
    const seen = { trees: 0, refusals: 0 };
    try {
      for (const [name, archive] of Object.entries(CORPUS)) {
        if (DIFFERENT.includes(name)) continue;
        const folder = scratch.join(`${seen.trees + seen.refusals}`);
        mkdirSync(folder);
        const { differences, refused } = await compareForms(folder, [fromArchive(archive)], { chained: false });
        expect(differences, name).toEqual([]);
        seen[refused === undefined ? 'trees' : 'refusals'] += 1;
      }
    } finally {
      umount(scratch.path);
    }
    expect(Math.min(seen.trees, seen.refusals)).toBeGreaterThan(100);
  });
});
