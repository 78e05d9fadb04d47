import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashBytes } from '../../../src/oci/index.ts';
import { withArchive } from '../../support/beds/archive-bed.ts';
import { tarFolder } from '../../support/builders/archive-builder.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  blobOf,
  type RecordedLayout,
  recordedLayout,
  writeRecordedLayout,
} from '../../support/signatures/recorded-layouts.ts';

describe('what is attached to images in a layout', () => {
  let scratch: Scratch;

  beforeAll(() => {
    scratch = new Scratch('attachments');
  });
  afterAll(() => scratch[Symbol.dispose]());

  const open = <Result>(layout: RecordedLayout, work: Parameters<typeof withArchive<Result>>[2]): Promise<Result> => {
    const folder = scratch.join(`${layout.name}-${Math.random()}`);
    writeRecordedLayout(layout, folder);
    return withArchive(`oci:${folder}:1.0`, { scratchDir: scratch.path }, work);
  };

  it('is in index.json, by name', async () => {
    const layout = recordedLayout('cosign-legacy-p256');
    const name = `${layout.digest.replace(':', '-')}.sig`;
    await open(layout, async ({ supply }) => {
      const { rawBytes, digest } = await supply.fetchNamed(name);
      expect([digest, Buffer.from(rawBytes)]).toEqual([hashBytes(rawBytes), blobOf(layout, digest)]);
      await expectFailure('ARCHIVE_IMAGE_UNKNOWN', () => supply.fetchNamed('other'));
      expect((await supply.fetchManifest('')).digest).toBe(layout.digest);
    });
  });

  it('is in index.json, and in the list that a tool keeps under the name of a tag', async () => {
    const layout = recordedLayout('cosign-bundle-p256');
    await open(layout, async ({ supply }) => {
      const first = await supply.fetchReferrers(layout.digest, undefined);
      expect(JSON.parse(Buffer.from(first?.rawBytes ?? []).toString())).toEqual(layout.index);
      expect(first?.next).toBe(layout.digest.replace(':', '-'));
      const second = await supply.fetchReferrers(layout.digest, first?.next);
      expect(second?.next).toBeUndefined();
      expect(JSON.parse(Buffer.from(second?.rawBytes ?? []).toString()).manifests).toHaveLength(1);
      expect((await supply.fetchReferrers(hashBytes('other'), undefined))?.next).toBeUndefined();
    });
  });

  it('is found in an archive as well', async () => {
    const layout = recordedLayout('cosign-bundle-p256');
    const folder = scratch.join('packed');
    writeRecordedLayout(layout, folder);
    writeFileSync(`${folder}.tar`, tarFolder(folder));
    await withArchive(`oci-archive:${folder}.tar:1.0`, { scratchDir: scratch.path }, async ({ supply }) => {
      expect((await supply.fetchReferrers(layout.digest, undefined))?.next).toBe(layout.digest.replace(':', '-'));
    });
  });
});
