import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commands } from '../../../src/cli/index.ts';
import type { SettingValues } from '../../../src/config/index.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hostPlatform, type Reference } from '../../../src/oci/index.ts';
import { inspectImage, type PullResult, type PullTarget } from '../../../src/pull/index.ts';
import { countDescriptors } from '../../support/beds/archive-bed.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import {
  blobFile,
  dockerConfig,
  dockerMembers,
  tarFolder,
  writeLayout,
} from '../../support/builders/archive-builder.ts';
import { type BuiltImage, buildImage, buildLayer } from '../../support/builders/image-builder.ts';
import { buildSmallImage, pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, hardlink, symlink, tar } from '../../support/builders/tar-builder.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { openBundledPool } from '../../support/pools/pools.ts';

const rootIt = it.skipIf(!IS_ROOT);
const WITHOUT_ROOT = IS_ROOT ? '' : ' (skipped: needs root for a store)';

const commands = composeTestCli();
/** The threads of these commands, with all that they have open, end with the pull. */
const commandsByThemselves = composeTestCli({ openPool: openBundledPool });

let scratch: Scratch;
let image: BuiltImage;
let layout: string;
let targets = 0;

beforeEach(async () => {
  scratch = new Scratch('archives');
  image = await buildSmallImage(scratch.path);
  layout = scratch.join('layout');
  writeLayout(layout, [{ image, name: '1.2' }]);
});
afterEach(() => scratch[Symbol.dispose]());

const INSECURE: SettingValues = { 'pull.insecure_policy': true };

interface PullWays {
  readonly signal?: AbortSignal;
  readonly by?: Commands;
}

function pull(
  reference: string,
  target: PullTarget,
  settings: SettingValues = INSECURE,
  { signal = new AbortController().signal, by = commands }: PullWays = {},
): Promise<PullResult> {
  return by.pull(
    { reference, target, settings: { 'store.root': scratch.join('store'), ...settings }, ...NOTHING_ELSE },
    { signal, onProgress: () => undefined },
  );
}

const NOTHING_ELSE = { credentials: undefined, certDir: undefined, configFile: undefined, debug: false };
const STORE: PullTarget = { kind: 'store' };

function tree(): Extract<PullTarget, { kind: 'unpack' }> {
  targets += 1;
  return { kind: 'unpack', directory: scratch.join(`tree-${targets}`) };
}

function writePolicy(policy: object): SettingValues {
  writeFileSync(scratch.join('policy.json'), JSON.stringify(policy));
  return { 'pull.policy': scratch.join('policy.json') };
}

function expectTree(directory: string): void {
  for (const number of [0, 1, 2]) {
    expect(readFileSync(`${directory}/etc/layer-${number}`).equals(pseudoRandom(60_000, `first ${number}`))).toBe(true);
  }
}

describe('pulling an image out of files', () => {
  it.each([
    ['oci', () => layout],
    ['oci-archive', () => write('layout.tar', tarFolder(layout))],
    ['oci-archive', () => write('layout.tar.gz', gzipSync(tarFolder(layout)))],
  ])('%s: its tree is that of the image, and nothing else is left', async (transport, place) => {
    const path = place();
    const [descriptors, before] = [countDescriptors(), readdirSync(scratch.path)];
    const target = tree();
    const result = await pull(`${transport}:${path}`, target, INSECURE, { by: commandsByThemselves });
    expectTree(target.directory);
    expect(result).toMatchObject({
      name: `${transport}:${path}`,
      manifestDigest: image.manifest.digest,
      indexDigest: image.top.digest,
    });
    expect(readdirSync(scratch.path).sort()).toEqual([...before, `tree-${targets}`].sort());
    // The descriptors of a thread that ends are closed a moment later.
    await expect.poll(countDescriptors).toBeLessThanOrEqual(descriptors);
  });

  it('docker-archive: compressed and plain layers, and one that is a link', async () => {
    const members = ['0', '1', '2'].map((number) => [dir('etc'), file(`etc/file-${number}`, number)]);
    const layers = await Promise.all(members.map((each) => buildLayer(tar(each), 'none', scratch.path)));
    const content = layers.map(({ path }) => readFileSync(path));
    const config = dockerConfig(layers.map(({ diffId }) => diffId));
    const archive = tar([
      file('0/layer.tar', content[0]),
      file('1/layer.tar', gzipSync(content[1] ?? '')),
      file('other/layer.tar', content[2]),
      symlink('2/layer.tar', '../other/layer.tar'),
      ...dockerMembers([{ tags: ['app:1'], config, layers: ['0/layer.tar', '1/layer.tar', '2/layer.tar'] }]),
    ]);
    const target = tree();
    await pull(`docker-archive:${write('saved.tar', archive)}:app:1`, target);
    expect(readdirSync(`${target.directory}/etc`).sort()).toEqual(['file-0', 'file-1', 'file-2']);
  });

  rootIt(`reads a layer again that needs those below it${WITHOUT_ROOT}`, async () => {
    const base = await buildLayer(tar([dir('etc'), file('etc/name', 'base')]), 'gzip', scratch.path);
    const above = await buildLayer(tar([hardlink('again', 'etc/name')]), 'gzip', scratch.path);
    writeLayout(layout, [{ image: buildImage({ format: 'oci', layers: [base, above] }) }]);
    const { layers } = await pull(`oci:${layout}`, STORE);
    expect(layers.map(({ fetches }) => fetches)).toEqual([1, 2]);
  });

  it('is inspected as one in a registry is', async () => {
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    const inspect = (view: 'summary' | 'raw', reference: string) =>
      commands.inspect({ reference, view, settings: {}, ...NOTHING_ELSE }, io);
    const path = write('layout.tar.gz', gzipSync(tarFolder(layout)));
    expect(await inspect('summary', `oci:${layout}`)).toMatchObject({
      summary: { name: `oci:${layout}`, manifestDigest: image.manifest.digest, indexDigest: image.top.digest },
    });
    expect(await inspect('raw', `oci-archive:${path}`)).toEqual({
      view: 'raw',
      rawManifest: new Uint8Array(image.top.bytes),
    });
  });

  describe('by what policy says', () => {
    const ACCEPT = [{ type: 'insecureAcceptAnything' }];
    const REJECT = [{ type: 'reject' }];

    it('runs when it is pinned, by the digest of index or manifest', async () => {
      await pull(`oci:${layout}:1.2@${image.top.digest}`, tree(), {});
      await pull(`oci:${layout}@${image.manifest.digest}`, tree(), {});
    });

    it('is refused as a tag is, where there is no policy and no digest', async () => {
      const error = await expectFailure('POLICY_TAG_UNPINNED', () => pull(`oci:${layout}:1.2`, tree(), {}));
      expect(error.context['actual']).toBe(image.top.digest);
    });

    it.each<[what: string, oci: Record<string, unknown>, accepts: boolean]>([
      ['its transport', { '': ACCEPT }, true],
      ['a folder above', { '/': undefined, above: ACCEPT }, true],
      ['its path', { above: REJECT, path: ACCEPT }, true],
      ['its name', { path: REJECT, name: ACCEPT }, true],
      ['another name', { path: REJECT, other: ACCEPT }, false],
      ['another path', { beside: ACCEPT }, false],
    ])('is judged by %s', async (_, scopes, accepts) => {
      const paths = {
        above: scratch.path,
        path: layout,
        name: `${layout}:1.2`,
        other: `${layout}:2`,
        beside: `${layout}2`,
      };
      const oci = Object.fromEntries(
        Object.entries(scopes).flatMap(([scope, requirements]) => {
          const text = paths[scope as keyof typeof paths] ?? scope;
          return requirements === undefined ? [] : [[text, requirements]];
        }),
      );
      const settings = writePolicy({ default: REJECT, transports: { oci } });
      const attempt = () => pull(`oci:${layout}:1.2`, tree(), settings);
      if (accepts) await attempt();
      else await expectFailure('POLICY_DENIED', attempt);
    });
  });

  describe('that is damaged', () => {
    it.each<[what: string, code: ErrorCode, digest: () => string]>([
      ['index', 'MANIFEST_DIGEST_MISMATCH', () => image.top.digest],
      ['manifest', 'MANIFEST_DIGEST_MISMATCH', () => image.manifest.digest],
      ['config', 'BLOB_DIGEST_MISMATCH', () => image.config.digest],
      ['gzip layer', 'BLOB_DIGEST_MISMATCH', () => image.layers[0]?.digest ?? ''],
      ['zstd layer', 'BLOB_DIGEST_MISMATCH', () => image.layers[1]?.digest ?? ''],
      ['plain layer', 'BLOB_DIGEST_MISMATCH', () => image.layers[2]?.digest ?? ''],
    ])('by one bit in its %s is corrupt, in a directory and in a tar', async (_, code, digest) => {
      const path = blobFile(layout, digest());
      const good = readFileSync(path);
      for (const place of [0, Math.floor(good.length / 2), good.length - 1]) {
        const flipped = Buffer.from(good);
        flipped[place] = (flipped[place] ?? 0) ^ 1;
        writeFileSync(path, flipped);
        for (const reference of [`oci:${layout}`, `oci-archive:${write('flipped.tar', tarFolder(layout))}`]) {
          const target = tree();
          const error = await expectFailure(code, () => pull(reference, target));
          expect(error.kind).toBe('corrupt');
          expect(existsSync(target.directory)).toBe(false);
        }
      }
      writeFileSync(path, good);
      const target = tree();
      await pull(`oci:${layout}`, target);
      expectTree(target.directory);
    });

    it('in a docker-archive is corrupt', async () => {
      const layer = await buildLayer(tar([dir('etc'), file('etc/name', 'content')]), 'none', scratch.path);
      const config = dockerConfig([layer.diffId]);
      const archiveOf = (content: Buffer) =>
        write(
          'saved.tar',
          tar([file('layer.tar', content), ...dockerMembers([{ tags: null, config, layers: ['layer.tar'] }])]),
        );
      const good = readFileSync(layer.path);
      await pull(`docker-archive:${archiveOf(good)}`, tree());
      const flipped = Buffer.from(good);
      flipped[1_025] = (flipped[1_025] ?? 0) ^ 1;
      await expectFailure('BLOB_DIGEST_MISMATCH', () => pull(`docker-archive:${archiveOf(flipped)}`, tree()));
      // The digest of a compressed layer covers the altered bytes, so the diffID reveals the change.
      await expectFailure('DIFFID_MISMATCH', () => pull(`docker-archive:${archiveOf(gzipSync(flipped))}`, tree()));
    });
  });

  it.each(['oci', 'oci-archive'])('%s: ends when it is cancelled, and leaves nothing', async (transport) => {
    const archive = write('layout.tar.gz', gzipSync(tarFolder(layout)));
    const before = readdirSync(scratch.path);
    const abort = new AbortController();
    abort.abort();
    const reference = `${transport}:${transport === 'oci' ? layout : archive}`;
    await expectFailure('PULL_CANCELLED', () => pull(reference, tree(), INSECURE, { signal: abort.signal }));
    expect(readdirSync(scratch.path)).toEqual(before);
  });

  rootIt(`is kept without a name until a prune, and cached meanwhile${WITHOUT_ROOT}`, async () => {
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    const store = {
      settings: { 'store.root': scratch.join('store') },
      configFile: undefined,
      debug: false,
      ofDaemon: false,
    };
    await pull(`oci:${layout}:1.2`, STORE);
    const { images } = await commands.images(store, io);
    expect(images.map(({ names, manifestDigest }) => [names, manifestDigest])).toEqual([[[], image.manifest.digest]]);

    const again = await pull(`oci-archive:${write('layout.tar.gz', gzipSync(tarFolder(layout)))}`, STORE);
    expect(again.layers.map(({ fetches }) => fetches)).toEqual([0, 0, 0]);
    expect((await commands.images(store, io)).images).toHaveLength(1);

    await commands.rm({ ...store, targets: [image.manifest.digest] }, io);
    expect((await commands.images(store, io)).images).toEqual([]);
    await pull(`oci:${layout}`, STORE);
    expect((await commands.prune({ ...store, all: false }, io)).images).toEqual([image.manifest.digest]);
  });
});

describe('docker://', () => {
  it('stands before a name in a registry and changes nothing of it', async () => {
    const bed = await PullBed.open();
    try {
      const served = bed.serveImage([[dir('etc'), file('etc/name', 'content')]], { tag: '1' });
      const target = tree();
      const settings = { ...INSECURE, 'pull.tls_verify': false };
      const result = await pull(`docker://${bed.reference('1')}`, target, settings);
      expect(result).toMatchObject({ name: `${bed.registry.host}/app`, manifestDigest: served.digest });
      expect(readFileSync(`${target.directory}/etc/name`, 'utf8')).toBe('content');
    } finally {
      await bed.close();
    }
  });
});

describe('who has no port for files', () => {
  it('takes a reference of files for a name in a registry, or refuses it', async () => {
    const asked: Reference[] = [];
    const ports = {
      openEndpoints: (reference: Reference): never => {
        asked.push(reference);
        throw new Error('asked a registry');
      },
      platform: hostPlatform(process.arch),
      limits: DEFAULT_LIMITS,
    };
    const inspect = (reference: string) =>
      inspectImage({ reference, view: 'summary' }, ports, new AbortController().signal);
    await expectFailure('REFERENCE_INVALID', () => inspect(`oci:${layout}`));
    await expectFailure('REFERENCE_INVALID', () => inspect('oci-archive:./layout.tar'));
    await expectFailure('INTERNAL', () => inspect('oci:layout'));
    expect(asked).toEqual([{ domain: 'docker.io', path: 'library/oci', tag: 'layout', digest: undefined }]);
  });
});

function write(name: string, bytes: Uint8Array): string {
  writeFileSync(scratch.join(name), bytes);
  return scratch.join(name);
}
