import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { writeLayout } from '../../support/builders/archive-builder.ts';
import type { BuiltImage } from '../../support/builders/image-builder.ts';
import { buildSmallImage } from '../../support/builders/small-image.ts';
import { mountsBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

describeWith(['root'], 'the daemon', () => {
  let bed: DaemonBed;
  let image: BuiltImage;
  let layout: string;

  beforeEach(async () => {
    bed = await DaemonBed.open();
    image = await buildSmallImage(bed.bed.directory);
    layout = bed.bed.path('layout');
    writeLayout(layout, [{ image }]);
  });
  afterEach(() => bed[Symbol.asyncDispose]());

  it.each([
    ['a directory', () => `oci:${layout}@${image.top.digest}`],
    ['an archive', () => `oci-archive:${layout}.tar@${image.top.digest}`],
    ['an archive of Docker', () => `docker-archive:${layout}.tar@${image.top.digest}`],
    ['a name behind docker://', () => `docker://registry.example/app@${image.top.digest}`],
  ])('reads no path that the host chooses: %s is refused, pinned or not', async (_, reference) => {
    // The same folder that the command line pulls: only the request differs.
    expect(readFileSync(`${layout}/oci-layout`, 'utf8')).toContain('1.0.0');
    await expectFailure('REFERENCE_INVALID', () => bed.pull(reference()));
    expect(mountsBelow(bed.bed.path('bundles'))).toEqual([]);
    expect(readdirSync(bed.bed.path('memory/store/layers'))).toEqual([]);
  });
});
