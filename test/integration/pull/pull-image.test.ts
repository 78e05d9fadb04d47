import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLATFORM, PullBed } from '../../support/beds/pull-bed.ts';
import { dir, file, hardlink, symlink, whiteout } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';

const isRoot = process.geteuid?.() === 0;
const rootIt = it.skipIf(!isRoot);
const WITHOUT_ROOT = isRoot ? '' : ' (skipped: needs root for a store and for mounts)';

let bed: PullBed;
beforeEach(async () => {
  bed = await PullBed.open();
});
afterEach(() => bed.close());

const base = [dir('./'), dir('etc'), file('etc/name', 'base'), dir('usr'), dir('usr/lib'), symlink('lib', 'usr/lib')];

function publishedLayers(): readonly string[] {
  const layers = bed.path('store/data/layers');
  return existsSync(layers) ? readdirSync(layers) : [];
}

function leftovers(): readonly string[] {
  return ['staging', 'uppers'].flatMap((area) => {
    const path = bed.path(`store/data/${area}`);
    return existsSync(path) ? readdirSync(path) : [];
  });
}

describe(`pulling into a store${WITHOUT_ROOT}`, () => {
  rootIt('resolves a tag once and asks for everything after by digest', async () => {
    const image = bed.serveImage([base], { tag: 'latest' });
    const result = await bed.pull('latest');
    expect(result.manifestDigest).toBe(image.digest);
    const urls = bed.registry.requests.map(({ url }) => url).filter((url) => url !== '/v2/');
    expect(urls[0]).toBe('/v2/app/manifests/latest');
    expect(urls.slice(1).every((url) => url.includes('sha256:'))).toBe(true);
  });

  rootIt('needs no network for a digest whose documents and layers it has', async () => {
    const { digest } = bed.serveImage([base]);
    await bed.pull(digest);
    const asked = bed.registry.requests.length;
    const again = await bed.pull(digest);
    expect(bed.registry.requests.length).toBe(asked);
    expect(again.layers.map(({ fetches }) => fetches)).toEqual([0]);
  });

  rootIt('does not pass off a cached answer for a tag while the registry is down', async () => {
    bed.serveImage([base], { tag: 'latest' });
    await bed.pull('latest');
    bed.registry.inject({
      match: /manifests/,
      times: 100,
      action: { kind: 'answer', status: 503, headers: { 'retry-after': '0' } },
    });
    const settings = { 'pull.limits.retryDelayMs': 1, 'pull.limits.maxRetryDelayMs': 2 };
    await expectFailure('HTTP_UNAVAILABLE', () => bed.pull('latest', undefined, { settings: settings as never }));
  });

  rootIt('judges a cached image again, under the name that was asked for', async () => {
    const { digest } = bed.serveImage([base], { tag: 'latest' });
    await bed.pull(digest);
    await expectFailure('POLICY_TAG_UNPINNED', () =>
      bed.pull('latest', undefined, { settings: { 'pull.insecure_policy': undefined as never } }),
    );
  });

  rootIt('asks for no layer and learns nothing of an image that is denied', async () => {
    const image = bed.serveImage([base], { tag: 'latest' });
    await expectFailure('POLICY_TAG_UNPINNED', () =>
      bed.pull('latest', undefined, { settings: { 'pull.insecure_policy': undefined as never } }),
    );
    expect(image.layers.map((digest) => bed.fetchesOf(digest))).toEqual([0]);
    expect(readdirSync(bed.path('store/state/manifests/sha256'))).toEqual([]);
    expect(readdirSync(bed.path('store/state/configs/sha256'))).toEqual([]);
    expect([...publishedLayers(), ...leftovers()]).toEqual([]);
  });

  rootIt('follows an index inside an index, and no further', async () => {
    const image = bed.serveImage([base]);
    const inner = bed.serveIndex([{ ...image, layers: undefined, platform: PLATFORM }]);
    const outer = bed.serveIndex([inner], 'nested');
    const result = await bed.pull('nested');
    expect([result.manifestDigest, result.indexDigest]).toEqual([image.digest, outer.digest]);
    bed.serveIndex([outer], 'too-deep');
    await expectFailure('MANIFEST_INVALID', () => bed.pull('too-deep'));
  });

  rootIt('refuses an entry whose size is not that of the manifest', async () => {
    const image = bed.serveImage([base]);
    bed.serveIndex([{ ...image, layers: undefined, size: image.size + 1, platform: PLATFORM }], 'lying');
    await expectFailure('BLOB_SIZE_MISMATCH', () => bed.pull('lying'));
  });

  rootIt('judges the size of a config and of a manifest in the store like that of a fetched one', async () => {
    const image = bed.serveImage([base]);
    const served = await fetch(`http://${bed.registry.host}/v2/app/manifests/${image.digest}`);
    const manifest = await served.text();
    const lying = manifest.replace(/"size":(\d+)\}/, (_, size) => `"size":${Number(size) + 1}}`);
    const digest = bed.registry.addManifest('app', Buffer.from(lying), image.mediaType);
    const limits = { settings: { 'pull.limits.maxManifestBytes': manifest.length - 1 } };
    await expectFailure('BLOB_SIZE_MISMATCH', () => bed.pull(digest));
    await expectFailure('HTTP_RESPONSE_INVALID', () => bed.pull(image.digest, undefined, limits));
    await bed.pull(image.digest);
    const error = await expectFailure('BLOB_SIZE_MISMATCH', () => bed.pull(digest));
    expect(error.message).toContain('image config sha256:');
    expect(Number(error.context['expected'])).toBe(Number(error.context['actual']) + 1);
    const limited = await expectFailure('HTTP_RESPONSE_INVALID', () => bed.pull(image.digest, undefined, limits));
    expect(limited.context['limit']).toBe('maxManifestBytes');
  });

  rootIt('fetches a repeated layer once, and mounts it where it is topmost', async () => {
    const other = [file('etc/name', 'other')];
    const image = bed.serveImage([[...base], other, [...base]], { tag: 'latest' });
    await bed.pull('latest', { kind: 'bundle', directory: bed.path('bundle') });
    expect(readFileSync(bed.path('bundle/rootfs/etc/name'), 'utf8')).toBe('base');
    expect(bed.fetchesOf(image.layers[0] ?? '')).toBe(1);
    await bed.umount(bed.path('bundle'));
  });

  rootIt('publishes nothing of a layer that fails, and keeps what was verified', async () => {
    const { digest, layers } = bed.serveImage([base, [file('a', 'x'.repeat(5000))]]);
    const alter = (body: Buffer) => Buffer.from(body.map((byte, index) => (index === 40 ? byte ^ 1 : byte)));
    bed.registry.inject({ match: new RegExp(layers[1] ?? ''), action: { kind: 'alter', alter } });
    await expectFailure('BLOB_DIGEST_MISMATCH', () => bed.pull(digest));
    expect(publishedLayers().length).toBeLessThanOrEqual(1);
    expect(leftovers()).toEqual([]);
    await bed.pull(digest);
    expect(publishedLayers()).toHaveLength(2);
  });

  rootIt('leaves nothing behind when it is cancelled in the middle of a layer', async () => {
    const { digest, layers } = bed.serveImage([base]);
    bed.registry.inject({ match: new RegExp(layers[0] ?? ''), action: { kind: 'stall', afterBytes: 100 } });
    const abort = new AbortController();
    const pulling = expectFailure('PULL_CANCELLED', () =>
      bed.pull(digest, { kind: 'bundle', directory: bed.path('bundle') }, { signal: abort.signal }),
    );
    while (bed.fetchesOf(layers[0] ?? '') === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error('enough'));
    await pulling;
    expect([...publishedLayers(), ...leftovers()]).toEqual([]);
    expect(existsSync(bed.path('bundle'))).toBe(false);
  });
});

describe(`two calls for one bundle directory${WITHOUT_ROOT}`, () => {
  const bundle = () => ({ kind: 'bundle', directory: bed.path('bundle') }) as const;

  /** Serves an image whose layer stops in the middle until `open`, and waits until a pull of it fetches the layer. */
  async function beginPull(signal?: AbortSignal) {
    const { digest, layers } = bed.serveImage([base]);
    const match = new RegExp(layers[0] ?? '');
    const gate = Promise.withResolvers<void>();
    bed.registry.inject({ match, action: { kind: 'hold', afterBytes: 100, until: gate.promise } });
    const pulling = bed.pull(digest, bundle(), signal === undefined ? {} : { signal });
    // Reported where it is awaited.
    pulling.catch(() => {});
    while (bed.fetchesOf(layers[0] ?? '') === 0) await new Promise((resolve) => setImmediate(resolve));
    return { pulling, digest, open: gate.resolve };
  }

  rootIt.each([
    ['is denied', { 'pull.insecure_policy': undefined as never }],
    ['would be allowed', {}],
  ])('refuses the second pull, which %s, and leaves what the first has made', async (_, settings) => {
    const { pulling, open } = await beginPull();
    const other = bed.serveImage([[file('other', 'image')]], { tag: 'other' });
    const error = await expectFailure('BUNDLE_INVALID', () => bed.pull('other', bundle(), { settings }));
    expect(error.message).toContain('expected no other pull to work on it, but one does');
    expect(bed.fetchesOf(other.layers[0] ?? '')).toBe(0);
    expect(readdirSync(bed.path('bundle'))).toEqual(['rootfs']);
    open();
    await pulling;
    expect(readFileSync(bed.path('bundle/rootfs/etc/name'), 'utf8')).toBe('base');
    await bed.umount(bed.path('bundle'));
  });

  rootIt('refuses to unmount a bundle while a pull works on it', async () => {
    const { pulling, open } = await beginPull();
    await expectFailure('BUNDLE_INVALID', () => bed.umount(bed.path('bundle')));
    open();
    await pulling;
    await bed.umount(bed.path('bundle'));
  });

  rootIt('lets the retry of a cancelled pull succeed, however long the first one cleans up', async () => {
    const abort = new AbortController();
    const { pulling, digest } = await beginPull(abort.signal);
    abort.abort(new Error('enough'));
    const retry = bed.pull(digest, bundle());
    await expectFailure('PULL_CANCELLED', () => pulling);
    await retry;
    expect(readFileSync(bed.path('bundle/rootfs/etc/name'), 'utf8')).toBe('base');
    await bed.umount(bed.path('bundle'));
  });
});

describe.each(['erofs', 'directory'] as const)(`%s layers that need the ones below${WITHOUT_ROOT}`, (format) => {
  const inFormat = { settings: { 'store.layer_format': format } };
  const below = [file('usr/lib/old', 'old'), file('bin', 'program')];
  const belowSymlink = [file('lib/new', 'new'), whiteout('lib/old')];
  const linking = [hardlink('also', 'bin')];

  function counts(layers: readonly string[]): readonly number[] {
    return layers.map((digest) => bed.fetchesOf(digest));
  }

  rootIt('are read a second time upon them, which is remembered', async () => {
    const image = bed.serveImage([[...base, ...below], belowSymlink, linking], { tag: 'latest' });
    const result = await bed.pull('latest', { kind: 'bundle', directory: bed.path('bundle') }, inFormat);
    expect(result.layers.map(({ fetches }) => fetches)).toEqual([1, 2, 2]);
    expect(counts(image.layers)).toEqual([1, 2, 2]);
    const rootfs = bed.path('bundle/rootfs');
    expect(lstatSync(`${rootfs}/lib`).isSymbolicLink()).toBe(true);
    expect(readdirSync(`${rootfs}/usr/lib`).sort()).toEqual(['new']);
    expect(statSync(`${rootfs}/also`).ino).toBe(statSync(`${rootfs}/bin`).ino);
    expect(readFileSync(`${rootfs}/also`, 'utf8')).toBe('program');
    await bed.umount(bed.path('bundle'));

    await bed.pull('latest', undefined, inFormat);
    expect(counts(image.layers)).toEqual([1, 2, 2]);
    for (const name of publishedLayers().filter((key) => key.includes('-chain-'))) {
      rmSync(bed.path(`store/data/layers/${name}`), { recursive: true });
      rmSync(bed.path(`store/state/layers/${name.replace('.erofs', '')}.json`));
    }
    await bed.pull('latest', undefined, inFormat);
    expect(counts(image.layers)).toEqual([1, 3, 3]);
  });

  rootIt(
    'are read a second time for a parent that they imply and then replace by the link of a lower layer',
    async () => {
      const layer = [dir('./'), file('lib/tool', 'new'), symlink('lib', 'usr/lib')];
      bed.serveImage([[...base, ...below], layer], { tag: 'latest' });
      const result = await bed.pull('latest', { kind: 'bundle', directory: bed.path('bundle') }, inFormat);
      expect(result.layers.map(({ fetches }) => fetches)).toEqual([1, 2]);
      const rootfs = bed.path('bundle/rootfs');
      expect(lstatSync(`${rootfs}/lib`).isSymbolicLink()).toBe(true);
      expect(readdirSync(`${rootfs}/usr/lib`).sort()).toEqual(['old', 'tool']);
      await bed.umount(bed.path('bundle'));
    },
  );

  rootIt('are read a second time when a file is in the way only by themselves', async () => {
    const layer = [file('usr/lib/c'), symlink('lib/c', '/etc'), file('usr/lib/c/new', 'new')];
    bed.serveImage([base, layer], { tag: 'latest' });
    const result = await bed.pull('latest', { kind: 'bundle', directory: bed.path('bundle') }, inFormat);
    expect(result.layers.map(({ fetches }) => fetches)).toEqual([1, 2]);
    expect(readdirSync(bed.path('bundle/rootfs/etc')).sort()).toContain('new');
    await bed.umount(bed.path('bundle'));
  });

  rootIt('are refused when a file is in the way upon the lower layers, too', async () => {
    bed.serveImage([base, [file('lib/c'), file('lib/c/new', 'new')]], { tag: 'latest' });
    await expectFailure('UNPACK_ENTRY_INVALID', () => bed.pull('latest', undefined, inFormat));
    expect(leftovers()).toEqual([]);
  });

  rootIt('are refused when no layer has the target of a hard link', async () => {
    bed.serveImage([base, linking], { tag: 'latest' });
    const error = await expectFailure('UNPACK_ENTRY_INVALID', () => bed.pull('latest', undefined, inFormat));
    expect(error.message).toContain('bin');
    expect(leftovers()).toEqual([]);
  });
});

describe('pulling into a directory', () => {
  const target = () => ({ kind: 'unpack', directory: bed.path('tree') }) as const;
  const settings = { 'store.root': undefined as never };

  it('applies the layers in order without a store, deleting what whiteouts name', async () => {
    const image = bed.serveImage(
      [
        [...base, file('usr/lib/old', 'old')],
        [file('lib/new', 'new'), whiteout('lib/old')],
      ],
      {
        tag: 'latest',
      },
    );
    const result = await bed.pull('latest', target(), { settings });
    expect(result.manifestDigest).toBe(image.digest);
    expect(readdirSync(bed.path('tree')).sort()).toEqual(['etc', 'lib', 'usr']);
    expect(readdirSync(bed.path('tree/usr/lib'))).toEqual(['new']);
    expect(readdirSync(bed.directory)).toEqual(['tree']);
  });

  it('accepts an empty directory and refuses one with entries, before it asks the registry', async () => {
    bed.serveImage([base], { tag: 'latest' });
    await bed.pull('latest', target(), { settings });
    const asked = bed.registry.requests.length;
    await expectFailure('UNPACK_TARGET_INVALID', () => bed.pull('latest', target(), { settings }));
    expect(bed.registry.requests.length).toBe(asked);
    linkSync(bed.path('tree/etc/name'), bed.path('file'));
    await expectFailure('UNPACK_TARGET_INVALID', () =>
      bed.pull('latest', { kind: 'unpack', directory: bed.path('file') }, { settings }),
    );
  });

  it.each(['file/tree', 'x'.repeat(300)])('refuses a path at which no directory can be: %s', async (name) => {
    writeFileSync(bed.path('file'), '');
    const pulling = () => bed.pull('latest', { kind: 'unpack', directory: bed.path(name) }, { settings });
    await expectFailure('UNPACK_TARGET_INVALID', pulling);
  });

  rootIt('says which file system is full, and not that a store is', async () => {
    bed.serveImage([[...base, file('large', 'x'.repeat(2_000_000))]], { tag: 'latest' });
    mkdirSync(bed.path('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', bed.path('small')]);
    const pulling = () => bed.pull('latest', { kind: 'unpack', directory: bed.path('small/tree') }, { settings });
    const error = await expectFailure('UNPACK_WRITE_FAILED', pulling);
    execFileSync('umount', [bed.path('small')]);
    expect(error.message).toContain(`the file system of ${bed.path('small')} is full`);
    expect(error.hint).not.toContain('store');
  });

  it('leaves neither tree nor staging when a layer is refused', async () => {
    bed.serveImage([base, [hardlink('also', 'nothing')]], { tag: 'latest' });
    await expectFailure('UNPACK_ENTRY_INVALID', () => bed.pull('latest', target(), { settings }));
    expect(readdirSync(bed.directory)).toEqual([]);
  });
});
