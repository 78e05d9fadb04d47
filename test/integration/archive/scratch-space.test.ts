import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { countDescriptors, withArchive } from '../../support/beds/archive-bed.ts';
import { tarFolder, writeLayout } from '../../support/builders/archive-builder.ts';
import { buildImage, buildLayer } from '../../support/builders/image-builder.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { file, tar } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

describeWith(['root'], 'a compressed archive', () => {
  let scratch: Scratch;
  let scratchDir: string;

  beforeEach(async () => {
    scratch = new Scratch('space');
    scratchDir = scratch.join('small');
    mkdirSync(scratchDir);
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', scratchDir]);
  });

  afterEach(async () => {
    await unmountBelow(scratch.path);
    scratch[Symbol.dispose]();
  });

  async function writeArchive(layerBytes: number): Promise<string> {
    const content = pseudoRandom(layerBytes, 'content');
    const layer = await buildLayer(tar([file('content', content)]), 'none', scratch.path);
    writeLayout(scratch.join('layout'), [{ image: buildImage({ format: 'oci', layers: [layer] }) }]);
    writeFileSync(scratch.join('layout.tar.gz'), gzipSync(tarFolder(scratch.join('layout'))));
    return `oci-archive:${scratch.join('layout.tar.gz')}`;
  }

  it('that does not fit beside what is there is refused, and all room is given back', async () => {
    const reference = await writeArchive(2 << 20);
    const [free, descriptors] = [statfsSync(scratchDir).bfree, countDescriptors()];
    const error = await expectFailure('ARCHIVE_SPACE_EXHAUSTED', () =>
      withArchive(reference, { scratchDir }, ({ supply }) => supply.fetchManifest('')),
    );
    expect(error.context).toMatchObject({ path: scratchDir, errno: 'ENOSPC' });
    expect(statfsSync(scratchDir).bfree).toBe(free);
    expect(countDescriptors()).toBe(descriptors);
  });

  it('that fits takes its room until it is closed', async () => {
    const reference = await writeArchive(300_000);
    const free = () => statfsSync(scratchDir).bfree;
    const before = free();
    await withArchive(reference, { scratchDir }, async ({ supply }) => {
      await supply.fetchManifest('');
      expect(free()).toBeLessThan(before);
    });
    expect(free()).toBe(before);
  });
});
