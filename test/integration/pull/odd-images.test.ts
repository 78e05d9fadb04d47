import { mkdirSync, readdirSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PullTarget } from '../../../src/pull/index.ts';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import {
  DOCKER,
  digestOf,
  entryOf,
  OCI,
  type OddImage,
  oddLayer,
  serveDocument,
  serveOddImage,
} from '../../support/builders/odd-image.ts';
import { dir, file, symlink, type TarMember, tar, whiteout, zeroBlocks } from '../../support/builders/tar-builder.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../../support/oracles/tree.ts';
import { unpackWithUmoci } from '../../support/oracles/umoci.ts';

const A = [dir('./'), dir('etc'), file('etc/f', 'of a'), file('etc/only-a', 'a'), symlink('link', 'etc/f')];
const B = [dir('./'), dir('etc', { mode: 0o700 }), whiteout('etc/f'), file('etc/only-b', 'b')];
const NOTHING = zeroBlocks(2);
/** The layer that Docker made for steps that change nothing; many images still have it. */
const EMPTY = {
  mediaType: `${OCI.layer}+gzip`,
  blob: Buffer.from('1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000', 'hex'),
  diffId: digestOf(NOTHING),
};

const halves = (archive: Buffer) => [archive.subarray(0, 512), archive.subarray(512)] as const;

/**
 * A layer as described in https://github.com/containerd/stargz-snapshotter/blob/v0.17.0/docs/estargz.md: a gzip member
 * for each part, then the index.
 */
function estargz(members: readonly TarMember[]) {
  const archive = tar([...members, file('stargz.index.json', '{"version":1,"entries":[]}')]);
  const blob = Buffer.concat(halves(archive).map((half) => gzipSync(half)));
  const annotations = { 'containerd.io/snapshot/stargz/toc.digest': digestOf(blob) };
  return oddLayer(archive, { blob, annotations });
}

/**
 * A layer as written by https://github.com/containers/storage/blob/v1.59.0/pkg/chunked/internal/minimal/compression.go:
 * zstd frames, and an index that decoders skip.
 */
function zstdChunked(members: readonly TarMember[]) {
  const archive = tar(members);
  const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 0x47, 0x4e, 0x55, 0x6c]);
  const blob = Buffer.concat([...halves(archive).map((half) => zstdCompressSync(half)), skipped]);
  const annotations = { 'io.github.containers.zstd-chunked.manifest-checksum': digestOf(blob) };
  return oddLayer(archive, { compression: 'zstd', blob, annotations });
}

interface Row {
  readonly title: string;
  readonly image: OddImage;
  /** The same archives in a common form, for tools that cannot read this one. */
  readonly twin?: OddImage;
  /** The forms to try; erofs alone when absent, because the others differ only by the content of the layers. */
  readonly forms?: readonly (typeof FORMS)[number][];
}

const FORMS = ['erofs', 'directory', 'unpack'] as const;

const twin: OddImage = { layers: [oddLayer(A), oddLayer(B)] };
const foreign = (mediaType: string, compression: 'gzip' | 'zstd') =>
  oddLayer(A, { mediaType, compression, urls: ['https://unused.example/layer'] });

const ROWS: readonly Row[] = [
  { title: 'no layers', image: { layers: [] }, forms: FORMS },
  {
    title: 'no layers, as Go writes nothing',
    image: {
      layers: [],
      manifest: { layers: null },
      config: { rootfs: { type: '', diff_ids: null }, history: null, config: null },
    },
    twin: { layers: [] },
    forms: FORMS,
  },
  {
    title: 'no layers, with no word of them',
    image: { layers: [], manifest: { layers: undefined }, config: { rootfs: undefined } },
    twin: { layers: [] },
    forms: ['unpack'],
  },
  {
    title: 'one empty layer of Docker',
    image: {
      manifestType: DOCKER.manifest,
      configType: DOCKER.config,
      layers: [{ ...EMPTY, mediaType: `${DOCKER.layer}.gzip` }],
    },
    forms: ['erofs', 'unpack'],
  },
  {
    title: 'nothing but empty layers',
    image: { layers: [EMPTY, oddLayer(NOTHING, { compression: 'none' }), oddLayer(NOTHING)] },
    forms: ['directory'],
  },
  { title: 'empty layers among others', image: { layers: [EMPTY, oddLayer(A), EMPTY] }, forms: ['erofs', 'unpack'] },
  { title: 'a layer twice in a row', image: { layers: [oddLayer(A), oddLayer(A)] }, forms: ['erofs', 'directory'] },
  {
    title: 'a layer again upon one that deletes of it',
    image: { layers: [oddLayer(A), oddLayer(B), oddLayer(A)] },
    forms: FORMS,
  },
  {
    title: 'a deletion again',
    image: { layers: [oddLayer(A), oddLayer(B), oddLayer(A), oddLayer(B)] },
    forms: FORMS,
  },
  {
    title: 'one archive in two compressions',
    image: { layers: [oddLayer(A), oddLayer(B), oddLayer(A, { compression: 'none' })] },
  },
  {
    title: 'layers of Docker in the clear and in zstd',
    image: {
      manifestType: DOCKER.manifest,
      configType: DOCKER.config,
      layers: [
        oddLayer(A, { compression: 'none', mediaType: DOCKER.layer }),
        oddLayer(B, { compression: 'zstd', mediaType: `${DOCKER.layer}.zstd` }),
      ],
    },
    twin,
  },
  {
    title: 'types of Docker in a manifest of OCI',
    image: { configType: DOCKER.config, layers: [oddLayer(A, { mediaType: `${DOCKER.layer}.gzip` }), oddLayer(B)] },
    twin,
  },
  {
    title: 'a layer as eStargz',
    image: { layers: [estargz(A), oddLayer(B)] },
  },
  { title: 'a layer as zstd:chunked', image: { layers: [zstdChunked(A), oddLayer(B)] }, twin },
  {
    title: 'foreign layers that the registry has',
    image: {
      layers: [
        foreign('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'),
        foreign('application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'),
        oddLayer(B),
      ],
    },
    twin,
  },
  {
    title: 'a long history and members that nobody knows',
    image: {
      ...twin,
      config: { history: Array.from({ length: 9 }, () => ({ empty_layer: true })), config: null, moby: { x: [1] } },
      manifest: { subject: { mediaType: OCI.manifest, digest: digestOf(NOTHING), size: 1 }, artifactType: OCI.config },
    },
  },
];

describeWith(['root', 'skopeo', 'umoci', 'getfattr'], 'an image with', () => {
  let bed: PullBed;
  let count = 0;

  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(async () => {
    await unmountBelow(bed.directory);
    await bed.close();
  });

  async function treeBy(form: (typeof FORMS)[number], digest: string): Promise<Tree> {
    count += 1;
    const directory = bed.path(`target-${count}`);
    if (form === 'unpack') {
      await bed.pull(digest, { kind: 'unpack', directory }, { settings: { 'store.root': undefined as never } });
      return readTree(directory);
    }
    const root = { 'store.root': bed.path(`store-${form}`), 'store.layer_format': form };
    await bed.pull(digest, { kind: 'bundle', directory }, { settings: root });
    return readTree(`${directory}/rootfs`);
  }

  describe.each(ROWS)('$title', ({ image, twin: readable = image, forms = ['erofs'] }) => {
    let digest: string;
    let expected: Tree;

    beforeAll(async () => {
      count += 1;
      digest = serveOddImage(bed, image).digest;
      const peer = serveOddImage(bed, readable);
      mkdirSync(bed.path(`peer-${count}`));
      expected = await readTree(await unpackWithUmoci(bed.reference(peer.digest), bed.path(`peer-${count}`)));
    });

    it.each(forms)('is by %s what umoci makes of it', async (form) => {
      // Where no layer has an entry for the root, every tool sets another time.
      const isSaid = image.layers.some(({ diffId }) => diffId !== EMPTY.diffId);
      const options = isSaid ? {} : { withoutMtime: (path: string) => path === '.' };
      expect(compareTrees(await treeBy(form, digest), expected, options)).toEqual([]);
    });
  });
});

/** Returns the digest of the manifest that a pull of `tag` into the store takes. */
async function chosen(bed: PullBed, tag: string, platform?: string): Promise<string> {
  const settings = platform === undefined ? {} : { 'pull.platform': platform };
  return (await bed.pull(tag, undefined, { settings })).manifestDigest;
}

describeWith(['root'], 'an index', () => {
  let bed: PullBed;
  beforeAll(async () => {
    bed = await PullBed.open();
  });
  afterAll(() => bed.close());

  const serve = (name: string, config: Record<string, unknown> = {}) =>
    serveOddImage(bed, { layers: [oddLayer([dir('./'), file('name', name)])], config });
  const index = (entries: readonly object[], tag?: string, mediaType: string = OCI.index) =>
    serveDocument(bed, mediaType, { schemaVersion: 2, mediaType, manifests: entries }, tag);

  it('in a manifest list in front of the image leads to it', async () => {
    const image = serve('nested');
    const inner = index([entryOf(image, { platform: PLATFORM })]);
    const outer = index([entryOf(inner)], 'nested', DOCKER.index);
    const result = await bed.pull('nested');
    expect([result.manifestDigest, result.indexDigest]).toEqual([image.digest, outer.digest]);
  });

  it('with attestations before and behind the image leads past them', async () => {
    const image = serve('attested');
    const attestation = serve('an attestation');
    const unknown = { os: 'unknown', architecture: 'unknown' };
    const annotations = { 'vnd.docker.reference.type': 'attestation-manifest' };
    const attested = entryOf(attestation, { platform: unknown, annotations });
    index([attested, entryOf(image, { platform: PLATFORM }), attested], 'attested');
    expect(await chosen(bed, 'attested')).toBe(image.digest);
  });

  it('with artifacts that name this machine leads past them, and takes the type of a config for an image', async () => {
    const image = serve('beside artifacts');
    const artifact = serve('an artifact');
    const artifactType = 'application/spdx+json';
    const entries = [
      entryOf(artifact, { platform: PLATFORM, artifactType }),
      entryOf(image, { platform: PLATFORM, artifactType: OCI.config }),
    ];
    index(entries, 'artifacts');
    expect(await chosen(bed, 'artifacts')).toBe(image.digest);
  });

  it('that has this machine twice leads to the first, as with containerd and skopeo', async () => {
    const [first, second] = [serve('first'), serve('second')];
    index([entryOf(first, { platform: PLATFORM }), entryOf(second, { platform: PLATFORM })], 'twice');
    expect(await chosen(bed, 'twice')).toBe(first.digest);
  });

  it.each([
    ['linux/arm/v7', ['v5', 'v6'], 'v6'],
    ['linux/arm64/v9', ['', 'v8'], ''],
  ])('for %s, of the variants %j, leads to "%s"', async (platform, variants, expected) => {
    const architecture = platform.split('/')[1] ?? '';
    const images = variants.map((variant) => {
      const machine = { os: 'linux', architecture, ...(variant === '' ? {} : { variant }) };
      return { variant, platform: machine, ...serve(`variant ${variant}`, machine) };
    });
    index(
      images.map((image) => entryOf(image, { platform: image.platform })),
      'variants',
    );
    const wanted = images.find(({ variant }) => variant === expected);
    expect(await chosen(bed, 'variants', platform)).toBe(wanted?.digest);
  });

  it('of Windows leads to the first of its versions when that is what was asked for', async () => {
    const platform = { os: 'windows', architecture: 'amd64' };
    const images = ['10.0.17763.1', '10.0.20348.1'].map((version) => {
      const described = { ...platform, 'os.version': version };
      return entryOf(serve(version, described), { platform: described });
    });
    index(images, 'windows');
    expect(await chosen(bed, 'windows', 'windows/amd64')).toBe((images[0] as { digest: string }).digest);
  });
});

describeWith(['root'], 'the root file system of an image without layers', () => {
  it('is empty and can be written to', async () => {
    const bed = await PullBed.open();
    try {
      const target: PullTarget = { kind: 'bundle', directory: bed.path('bundle') };
      serveOddImage(bed, { layers: [] }, 'empty');
      const result = await bed.pull('empty', target);
      expect(result.layers).toEqual([]);
      expect(readdirSync(bed.path('bundle/rootfs'))).toEqual([]);
      await bed.umount(bed.path('bundle'));
      expect(mountsBelow(bed.directory)).toEqual([]);
    } finally {
      await bed.close();
    }
  });
});
