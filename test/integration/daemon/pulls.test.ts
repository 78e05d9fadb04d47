import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { resolveDaemonConfiguration } from '../../../src/config/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { openSocketlessDaemon, type SocketlessDaemon } from '../../support/daemons/socketless-daemon.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { loopsBelow } from '../../support/machine/loops.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const NEVER = new AbortController().signal;

/** The daemon without its sockets, its memory a tmpfs of the test's own. */
describeWith(['root'], 'pulls of the daemon', () => {
  let bed: PullBed;
  let daemon: SocketlessDaemon;
  let measured: unknown[];
  let measure: () => Promise<void>;

  beforeEach(async () => {
    bed = await PullBed.open();
    mkdirSync(bed.path('memory'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=0700', 'tmpfs', bed.path('memory')]);
    mkdirSync(bed.path('bundles'));
    measured = [];
    measure = async () => {};
    open();
  });

  afterEach(async () => {
    daemon.stop();
    await unmountBelow(bed.directory);
    await bed.close();
  });

  function open(text = ''): void {
    const tables = `[store]\nstate = "${bed.path('state')}"\n[api]\nbundle_roots = ["${bed.path('bundles')}"]\n[pull]\ntls_verify = false\n`;
    const configuration = resolveDaemonConfiguration({
      file: { path: 'test.toml', text: `${tables}${text}` },
      environment: {},
      kernelCommandLine: '',
      imagepuller: undefined,
    });
    daemon = openSocketlessDaemon({
      loaded: { configuration, failure: undefined },
      memory: bed.path('memory'),
      measure: async (image) => {
        measured.push(image);
        await measure();
      },
    });
  }

  /** Makes the bundle directory first, as the agent does. */
  function bundle(name: string): string {
    mkdirSync(bed.path(`bundles/${name}`));
    return bed.path(`bundles/${name}`);
  }

  const pull = (image: ServedImage, bundlePath: string, signal = NEVER) =>
    daemon.pulls.pullImage({ imageUrl: bed.reference(image.digest), bundlePath, requestId: 'r1', signal });
  const serve = (name: string) => bed.serveImage([[dir('./'), file('shared', 'shared')], [file('who', name)]]);
  const uppers = () => readdirSync(bed.path('memory/store/uppers'));
  const layers = () => readdirSync(bed.path('memory/store/layers'));

  it('mounts the image in the bundle of the agent and answers the digest of its manifest', async () => {
    const image = serve('one');
    const path = bundle('c1');
    writeFileSync(`${path}/config.json`, 'of the agent');
    expect(await pull(image, path)).toEqual({ manifestDigest: image.digest });
    expect(readFileSync(`${path}/rootfs/who`, 'utf8')).toBe('one');
    expect(readFileSync(`${path}/config.json`, 'utf8')).toBe('of the agent');
    expect(measured).toEqual([{ image: bed.reference(image.digest), digest: image.digest }]);
  });

  it('serves eight at once, of the same image and of others, and fetches no layer twice', async () => {
    const images = [serve('one'), serve('two')];
    const calls = Array.from({ length: 8 }, (_, at) => ({ image: images[at % 2], path: bundle(`c${at}`) }));
    await Promise.all(calls.map(({ image, path }) => pull(image as ServedImage, path)));
    for (const [at, { path }] of calls.entries()) {
      expect(readFileSync(`${path}/rootfs/who`, 'utf8')).toBe(['one', 'two'][at % 2]);
    }
    const digests = new Set(images.flatMap((image) => image.layers));
    expect([...digests].map((digest) => bed.fetchesOf(digest))).toEqual([1, 1, 1]);
  });

  it('gives the uppers back of containers whose rootfs the agent has unmounted, and keeps the layers', async () => {
    const image = serve('one');
    const paths = [bundle('c1'), bundle('c2')];
    for (const path of paths) await pull(image, path);
    writeFileSync(`${paths[0]}/rootfs/written`, 'by the container');
    expect(uppers()).toHaveLength(2);
    daemon.watch();
    umount(`${paths[0]}/rootfs`);
    await expect.poll(() => uppers().length).toBe(1);
    expect(readFileSync(`${paths[1]}/rootfs/who`, 'utf8')).toBe('one');
    umount(`${paths[1]}/rootfs`);
    await expect.poll(() => uppers().length).toBe(0);
    await expect.poll(() => [...loopsBelow(bed.directory)]).toEqual([]);
    expect(layers()).toHaveLength(2);
    const again = bundle('c3');
    const asked = bed.registry.requests.length;
    await pull(image, again);
    expect(bed.registry.requests.length).toBe(asked);
  });

  it('ends a pull whose call is given up, leaves the bundle empty, and keeps what is finished', async () => {
    const image = serve('one');
    const path = bundle('c1');
    const [finished = '', last = ''] = image.layers;
    bed.registry.inject({ match: new RegExp(last), times: 1, action: { kind: 'silence' } });
    const abort = new AbortController();
    const pulling = expectFailure('PULL_CANCELLED', () => pull(image, path, abort.signal));
    await expect.poll(() => layers().length).toBe(1);
    abort.abort(new Error('deadline'));
    await pulling;
    expect(readdirSync(path)).toEqual([]);
    expect(mountsBelow(bed.path('bundles'))).toEqual([]);
    await pull(image, path);
    expect([bed.fetchesOf(finished), bed.fetchesOf(last)]).toEqual([1, 2]);
  });

  it.each([
    ['removed', (path: string) => rmSync(path, { recursive: true })],
    [
      'replaced by another',
      (path: string) => {
        renameSync(path, `${path}.moved`);
        mkdirSync(`${path}/rootfs`, { recursive: true });
      },
    ],
  ])('mounts nothing and makes nothing when the bundle was %s during the pull', async (_, change) => {
    const image = serve('one');
    const path = bundle('c1');
    const [, last = ''] = image.layers;
    // The layer ends when the bundle has changed.
    const changed = Promise.withResolvers<void>();
    const action = { kind: 'hold', afterBytes: 20, until: changed.promise } as const;
    bed.registry.inject({ match: new RegExp(last), times: 1, action });
    const pulling = pull(image, path).then(
      () => 'mounted',
      (error: { code: string }) => error.code,
    );
    await expect.poll(() => bed.fetchesOf(last)).toBe(1);
    change(path);
    changed.resolve();
    expect(await pulling).toBe('SNAPSHOT_MOUNT_FAILED');
    expect(mountsBelow(bed.path('bundles'))).toEqual([]);
    expect(existsSync(`${path}/config.json`)).toBe(false);
    expect([layers().length, uppers()]).toEqual([2, []]);
  });

  it('takes the rootfs away again when the image cannot be measured', async () => {
    measure = async () => {
      throw new Error('the attestation agent is gone');
    };
    const path = bundle('c1');
    writeFileSync(`${path}/config.json`, 'of the agent');
    await expect(pull(serve('one'), path)).rejects.toThrow('the attestation agent is gone');
    expect(mountsBelow(bed.path('bundles'))).toEqual([]);
    expect(readdirSync(path)).toEqual(['config.json']);
    expect(uppers()).toEqual([]);
  });

  it('refuses bundles elsewhere, and tags without a policy, and goes on', async () => {
    const image = bed.serveImage([[file('a')]], { tag: 'latest' });
    mkdirSync(bed.path('elsewhere'));
    await expectFailure('BUNDLE_INVALID', () => pull(image, bed.path('elsewhere')));
    expect(readdirSync(bed.path('elsewhere'))).toEqual([]);
    const path = bundle('c1');
    const tagged = { imageUrl: bed.reference('latest'), bundlePath: path, requestId: 'r1', signal: NEVER };
    await expectFailure('POLICY_TAG_UNPINNED', () => daemon.pulls.pullImage(tagged));
    await expectFailure('REFERENCE_INVALID', () => daemon.pulls.pullImage({ ...tagged, imageUrl: '///' }));
    expect(await pull(image, path)).toEqual({ manifestDigest: image.digest });
  });

  it('judges by the policy that was given inline', async () => {
    const image = bed.serveImage([[file('a')]], { tag: 'latest' });
    daemon.stop();
    open(`[image]\nimage_security_policy = '{"default":[{"type":"reject"}]}'\n`);
    await expectFailure('POLICY_DENIED', () => pull(image, bundle('c1')));
    expect(image.layers.map((digest) => bed.fetchesOf(digest))).toEqual([0]);
  });
});
