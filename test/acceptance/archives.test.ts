import { createWriteStream, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { blobFile, dockerConfig, dockerMembers } from '../support/builders/archive-builder.ts';
import { buildRichLayers, loadRichImage, MANY_FILES } from '../support/builders/debian-image.ts';
import { type BuiltImage, type BuiltLayer, buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { buildSmallImage, pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, type TarMember, tarStream } from '../support/builders/tar-builder.ts';
import { IS_ROOT, mustRun } from '../support/machine/commands.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';
import { IS_SOAK } from '../support/soak.ts';
import { findRemains } from '../support/stores/store-files.ts';

const NAME = 'registry.example/rich:1';
/** Packages that the image of the short run does not have. */
const WITHOUT = IS_SOAK ? [] : MANY_FILES;

/** How skopeo writes each form and how sealift reads it, with any change made to the file in between. */
const FORMS: readonly {
  readonly title: string;
  readonly destination: string;
  readonly afterwards?: readonly string[];
  readonly source: string;
}[] = [
  { title: 'oci:', destination: 'oci:rich-layout:1.2', source: 'oci:rich-layout:1.2' },
  { title: 'oci-archive:', destination: 'oci-archive:rich.tar:1.2', source: 'oci-archive:rich.tar' },
  {
    title: 'oci-archive: in zstd',
    destination: 'oci-archive:rich-zst.tar:1.2',
    afterwards: ['zstd', '-q', '--rm', 'rich-zst.tar'],
    source: 'oci-archive:rich-zst.tar.zst:@0',
  },
  {
    title: 'docker-archive:',
    destination: `docker-archive:rich-docker.tar:${NAME}`,
    source: `docker-archive:rich-docker.tar`,
  },
  {
    title: 'docker-archive: in gzip',
    destination: `docker-archive:rich-docker-gz.tar:${NAME}`,
    afterwards: ['gzip', '-1', 'rich-docker-gz.tar'],
    source: `docker-archive:rich-docker-gz.tar.gz:${NAME}`,
  },
];

describeWith(
  ['root', 'docker-registry', 'skopeo', 'umoci', 'getfattr', 'dpkg-deb', 'zstd'],
  'an image that skopeo copied out of a registry',
  () => {
    let bed: TestBed;
    let expected: Tree;

    beforeAll(async () => {
      bed = await TestBed.open();
      const layers = await buildRichLayers(await loadRichImage(WITHOUT), 'gzip', bed.scratch.path);
      const image = buildImage({ format: 'oci', layers, config: { Cmd: ['/bin/sh'] } });
      await bed.push('rich', '1', image);
      const bundle = bed.newPath('bundle');
      const pulled = await bed.pull('rich:1', [
        '--insecure-policy',
        '--store',
        bed.newPath('store'),
        '--bundle',
        bundle,
      ]);
      expect(pulled.error).toBeUndefined();
      expected = await readTree(`${bundle}/rootfs`);
    });

    afterAll(() => bed?.[Symbol.asyncDispose]());

    async function copy(destination: string): Promise<void> {
      const from = `docker://${bed.registry.host}/rich:1`;
      const flags = ['--insecure-policy', 'copy', '-q', '--src-tls-verify=false'];
      await mustRun('skopeo', [...flags, from, destination], { cwd: bed.scratch.path });
    }

    it.each(FORMS)('$title is the tree that the registry gave', async ({ destination, afterwards, source }) => {
      await copy(destination);
      const [command, ...rest] = afterwards ?? [];
      if (command !== undefined) await mustRun(command, rest, { cwd: bed.scratch.path });
      const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];
      const parameters = ['pull', source, '--insecure-policy', '--store', store, '--bundle', bundle];
      const { error } = await runSealift(parameters, { cwd: bed.scratch.path });
      expect(error).toBeUndefined();
      expect(expected.size).toBeGreaterThan(IS_SOAK ? 10_000 : 1_000);
      expect(compareTrees(await readTree(`${bundle}/rootfs`), expected)).toEqual([]);
      const unfinished = findRemains(store).unfinished.filter((path) => !path.includes('uppers/'));
      expect(unfinished).toEqual([]);
      expect(readdirSync(`${store}/data`).filter((name) => name.startsWith('.sealift'))).toEqual([]);

      expect((await runSealift(['umount', bundle, '--store', store])).error).toBeUndefined();
      expect(mountsBelow(bundle)).toEqual([]);
    });

    it('of umoci is read, too', async () => {
      await copy('oci:umoci-layout:1');
      const layout = bed.scratch.join('umoci-layout');
      await mustRun('umoci', ['config', '--image', `${layout}:1`, '--tag', '2', '--config.user', 'sailor']);
      const target = bed.newPath('tree');
      const { error } = await runSealift(['pull', `oci:${layout}:2`, '--insecure-policy', '--unpack', target]);
      expect(error).toBeUndefined();
      expect(existsSync(`${target}/bin`)).toBe(true);
      // The archive holds two images by then.
      const unnamed = await runSealift(['pull', `oci:${layout}`, '--insecure-policy', '--unpack', bed.newPath('tree')]);
      expect(unnamed.error?.code).toBe('ARCHIVE_IMAGE_AMBIGUOUS');
      expect(unnamed.code).toBe(2);
    });
  },
);

describeWith(['root', 'skopeo'], 'an image in files', () => {
  let bed: TestBed;
  let image: BuiltImage;
  let layout: string;

  beforeAll(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('small', 'latest', image);
    layout = bed.scratch.join('small-layout');
    const from = `docker://${bed.registry.host}/small:latest`;
    const copy = ['--insecure-policy', 'copy', '-q', '--all', '--src-tls-verify=false'];
    await mustRun('skopeo', [...copy, from, `oci:${layout}:1`]);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  const pull = (reference: string, ...parameters: string[]): Promise<SealiftResult> =>
    runSealift(['pull', reference, '--unpack', bed.newPath('tree'), ...parameters]);

  it('runs when it is pinned, and otherwise by policy only', async () => {
    // skopeo compressed the plain layer, so that the digest is another than the registry's.
    const [entry] = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')).manifests;
    const digest = (await runSealift(['inspect', `oci:${layout}`])).result['indexDigest'];
    expect(digest).toBe(entry.digest);
    expect((await pull(`oci:${layout}:1@${digest}`)).error).toBeUndefined();
    const tagged = await pull(`oci:${layout}:1`);
    expect([tagged.error?.code, tagged.code]).toEqual(['POLICY_TAG_UNPINNED', 3]);
    expect((await pull(`oci:${layout}:1`, '--insecure-policy')).error).toBeUndefined();
    const policy = bed.newPath('policy.json');
    const accept = [{ type: 'insecureAcceptAnything' }];
    const byPath = { default: [{ type: 'reject' }], transports: { oci: { [bed.scratch.path]: accept } } };
    writeFileSync(policy, JSON.stringify(byPath));
    expect((await pull(`oci:${layout}:1`, '--policy', policy)).error).toBeUndefined();
    expect((await pull(`docker-archive:${layout}`, '--policy', policy)).error?.code).toBe('ARCHIVE_NOT_FOUND');
  });

  it('is corrupt when a bit of a blob is another, and is not there in the store', async () => {
    const [layer] = image.layers;
    const path = blobFile(layout, layer?.digest ?? '');
    const good = readFileSync(path);
    const flipped = Buffer.from(good);
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    const store = bed.newPath('store');
    const attempt = () => runSealift(['pull', `oci:${layout}`, '--insecure-policy', '--store', store]);
    writeFileSync(path, flipped);
    const refused = await attempt();
    writeFileSync(path, good);
    expect([refused.error?.code, refused.code]).toEqual(['BLOB_DIGEST_MISMATCH', 4]);
    expect(findRemains(store).unfinished).toEqual([]);
    expect((await attempt()).error, 'the same path with the right bytes').toBeUndefined();
  });

  it.each([
    ['a path that is not there', 'oci:/nonexistent', 'ARCHIVE_NOT_FOUND', 6],
    ['a transport that is none of ours', 'dir:/srv/image', 'USAGE', 2],
    ['a misspelt transport', 'oci-archiv:./image.tar', 'USAGE', 2],
  ])('says what is wrong with %s', async (_, reference, code, exitCode) => {
    const answer = await pull(reference, '--insecure-policy');
    expect([answer.error?.code, answer.code]).toEqual([code, exitCode]);
  });

  it('is not asked of the daemon', async () => {
    const parameters = ['pull', `oci:${layout}`, '--socket', '/nonexistent', '--bundle', bed.newPath('bundle')];
    expect((await runSealift(parameters)).error?.code).toBe('USAGE');
  });
});

const MIB = 1 << 20;
const LIMIT_BYTES = 150 * 1000 * 1000;

/** Members with 300 MiB of content that does not compress. */
function* largeMembers(): Generator<TarMember> {
  const noise = pseudoRandom(8 * MIB, 'noise');
  yield dir('big');
  for (let number = 0; number < 75; number += 1) {
    const offset = (number * 1_234_567) % (4 * MIB);
    yield file(`big/file-${number}`, { size: 4 * MIB, chunks: [noise.subarray(offset, offset + 4 * MIB)] });
  }
}

const WITHOUT_SOAK = IS_SOAK ? '' : ' (skipped unless SEALIFT_SOAK is set: writes a gigabyte)';
describe.skipIf(!IS_SOAK || !IS_ROOT)(`an archive of 300 MB${WITHOUT_SOAK}`, () => {
  let bed: TestBed;
  let layer: BuiltLayer;

  beforeAll(async () => {
    bed = await TestBed.open();
    layer = await buildLayer(tarStream(largeMembers()), 'none', bed.scratch.path);
    const config = dockerConfig([layer.diffId]);
    const content = {
      size: statSync(layer.path).size,
      chunks: [readFileSync(layer.path)],
    };
    const members = [file('layer.tar', content), ...dockerMembers([{ tags: null, config, layers: ['layer.tar'] }])];
    await pipeline(Readable.from(tarStream(members)), createWriteStream(bed.scratch.join('large.tar')));
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  it.each([
    ['plain', [], 'large.tar'],
    ['in gzip', ['gzip', '-1', '-k', 'large.tar'], 'large.tar.gz'],
  ] as const)('%s: all processes together stay under 150 MB', async (_, compress, name) => {
    const [command, ...parameters] = compress;
    if (command !== undefined) await mustRun(command, parameters, { cwd: bed.scratch.path });
    expect(statSync(bed.scratch.join(name)).size).toBeGreaterThan(290 * MIB);
    const pull = ['pull', `docker-archive:${name}`, '--insecure-policy', '--store', bed.newPath('store')];
    const { error, peakBytes } = await runSealift(pull, { cwd: bed.scratch.path });
    expect(error).toBeUndefined();
    expect(peakBytes, 'the measurement works').toBeGreaterThan(30 * 1000 * 1000);
    expect(peakBytes).toBeLessThan(LIMIT_BYTES);
  });
});
