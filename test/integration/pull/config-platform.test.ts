import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PullTarget } from '../../../src/pull/index.ts';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import { entryOf, OCI, oddLayer, serveDocument, serveOddImage } from '../../support/builders/odd-image.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const LAYER = oddLayer([dir('./'), file('f', 'f')]);
const HERE = `${PLATFORM.os}/${PLATFORM.architecture}`;
const ASKED = `the image was asked for as ${HERE}, but its config`;
const LISTED = `its index lists the image as ${HERE}, but its config`;

interface Row {
  readonly title: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** What the warning says of the config. */
  readonly says: string;
}

const CONFIGS: readonly Row[] = [
  { title: 'another architecture', config: { architecture: 's390x' }, says: 'says linux/s390x' },
  { title: 'an architecture of several variants', config: { architecture: 'arm' }, says: 'says linux/arm' },
  { title: 'a variant', config: { architecture: 'arm', variant: 'v6' }, says: 'says linux/arm/v6' },
  { title: 'another system', config: { os: 'plan9' }, says: `says plan9/${PLATFORM.architecture}` },
  { title: 'empty values', config: { os: '', architecture: '' }, says: 'names no platform' },
  { title: 'neither', config: { os: undefined, architecture: undefined }, says: 'names no platform' },
  { title: 'null', config: { os: null, architecture: null }, says: 'names no platform' },
  { title: 'no architecture', config: { architecture: undefined }, says: 'says linux and names no architecture' },
  {
    title: 'no system',
    config: { os: undefined },
    says: `says ${PLATFORM.architecture} and names no operating system`,
  },
];

describe('an image whose config names another platform', () => {
  let bed: PullBed;
  let count = 0;
  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(() => bed.close());

  async function unpack(digest: string, platform = HERE): Promise<readonly string[]> {
    count += 1;
    const target: PullTarget = { kind: 'unpack', directory: bed.path(`tree-${count}`) };
    const settings = { 'store.root': undefined as never, 'pull.platform': platform };
    const { warnings } = await bed.pull(digest, target, { settings });
    expect(readdirSync(target.directory)).toEqual(['f']);
    return warnings;
  }

  const serve = (config: Row['config']) => serveOddImage(bed, { layers: [LAYER], config });
  const serveListed = (config: Row['config']) => {
    const entry = entryOf(serve(config), { platform: PLATFORM });
    return serveDocument(bed, OCI.index, { schemaVersion: 2, mediaType: OCI.index, manifests: [entry] });
  };

  it.each(CONFIGS)('is the one that its index lists: $title', async ({ config, says }) => {
    expect(await unpack(serveListed(config).digest)).toEqual([`${LISTED} ${says}, and the index counts`]);
  });

  it.each(CONFIGS)('is pulled when no index lists it: $title', async ({ config, says }) => {
    expect(await unpack(serve(config).digest)).toEqual([`${ASKED} ${says}`]);
  });

  it('has no warning when the names mean the same', async () => {
    const [written, same] = PLATFORM.architecture === 'arm64' ? ['aarch64', 'arm64'] : ['x86_64', 'amd64'];
    expect(await unpack(serveListed({ architecture: written }).digest)).toEqual([]);
    expect(await unpack(serve({ architecture: same }).digest)).toEqual([]);
  });

  it('is what the inner index lists it as, when an outer one says nothing', async () => {
    const inner = serveListed({ architecture: 's390x' });
    const outer = serveDocument(bed, OCI.index, {
      schemaVersion: 2,
      mediaType: OCI.index,
      manifests: [entryOf(inner)],
    });
    expect(await unpack(outer.digest)).toEqual([`${LISTED} says linux/s390x, and the index counts`]);
  });

  it('is still not what an index does not list', async () => {
    const { digest } = serveListed({ architecture: 's390x' });
    const error = await expectFailure('PLATFORM_NOT_FOUND', () => unpack(digest, 'linux/s390x'));
    expect(error.message).toContain(`the index has ${HERE}`);
  });
});

describeWith(['root'], 'a bundle of an image whose config names another platform', () => {
  it('is annotated with the platform that counts, and refused where that is not Linux', async () => {
    const bed = await PullBed.open();
    const bundle: PullTarget = { kind: 'bundle', directory: bed.path('bundle') };
    try {
      const image = serveOddImage(bed, { layers: [LAYER], config: { os: 'plan9', architecture: 'mips' } });
      const error = await expectFailure('MANIFEST_UNSUPPORTED', () => bed.pull(image.digest, bundle));
      expect(error.message).toContain('os "plan9": expected linux');
      const index = { schemaVersion: 2, mediaType: OCI.index, manifests: [entryOf(image, { platform: PLATFORM })] };
      const { warnings } = await bed.pull(serveDocument(bed, OCI.index, index).digest, bundle);
      expect(warnings).toEqual([`${LISTED} says plan9/mips, and the index counts`]);
      const { annotations } = JSON.parse(readFileSync(bed.path('bundle/config.json'), 'utf8'));
      expect(annotations).toMatchObject({
        'org.opencontainers.image.os': 'linux',
        'org.opencontainers.image.architecture': PLATFORM.architecture,
      });
      await bed.umount(bundle.directory);
    } finally {
      await bed.close();
    }
  });
});
