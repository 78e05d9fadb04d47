import { hash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestBed } from '../../support/beds/test-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { buildCrashImage, IMAGE_KINDS, type ImageKind, KEPT, ownBytes } from '../../support/builders/crash-images.ts';
import type { BuiltImage } from '../../support/builders/image-builder.ts';
import { type DaemonRemains, NativeDaemon, remainsOf } from '../../support/daemons/native-daemon.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { compareTrees, readTree, type Tree } from '../../support/oracles/tree.ts';
import { daemonSteps, groupSteps, isMountedAt, type LayerForm } from '../../support/programs/pull-steps.ts';
import { countFetches } from '../../support/proxies/tamper-proxy.ts';
import { IS_SOAK } from '../../support/soak.ts';
import { emptyContents, listContents } from '../../support/stores/store-contents.ts';

const ROUNDS = IS_SOAK ? 3 : 1;
/** The short run kills two daemons, one after the other, before a pull may end. */
const KILLS = IS_SOAK ? 1 : 2;
/** The short run kills the daemon with this form and the command line with the other. */
const FORMS: readonly LayerForm[] = IS_SOAK ? ['erofs', 'directory'] : ['erofs'];
/** The layers of the container that runs all the time, and the own layer of the new image. */
const LAYERS = 3;

/** Each step runs with different images in different rounds, and every round covers all images. */
function rowsOf(form: LayerForm) {
  return groupSteps(daemonSteps(form), KILLS).flatMap((steps, at) =>
    Array.from({ length: ROUNDS }, (_, round) => {
      const kind = IMAGE_KINDS[(at + round) % IMAGE_KINDS.length] ?? 'gzip';
      return { steps, kind, round: round + 1 };
    }),
  );
}

/** Every row continues with the store and the container that the previous row left. */
describeWith(['root', 'docker-registry', 'getfattr'], 'sealiftd killed while it pulls', () => {
  describe.each(FORMS)('with layers in the form %s', (form) => {
    let bed: TestBed;
    let daemon: NativeDaemon;
    /** The expected trees, from pulls that were not interrupted. */
    const references = new Map<ImageKind, Tree>();

    beforeAll(async () => {
      bed = await TestBed.open();
      daemon = await NativeDaemon.open(form);
      await daemon.start();
      await pull(await serve('gzip', 'running'), 'running');
    });

    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
      await bed?.[Symbol.asyncDispose]();
    });

    beforeEach(async () => {
      daemon.dieAt(undefined);
      if (!daemon.isRunning) await daemon.start();
    });

    afterEach(() => {
      for (const container of daemon.remains().containers) if (container !== 'running') daemon.remove(container);
    });

    const isKeptAt = (step: string) => daemonSteps(form).indexOf(step) >= daemonSteps(form).indexOf('published');
    const reference = (image: BuiltImage) => bed.reference(`crash@${image.top.digest}`);
    const expectRemains = (containers: readonly string[], layers: number, others: Partial<DaemonRemains> = {}) =>
      expect.poll(() => daemon.remains()).toEqual({ ...remainsOf(containers, layers, form), ...others });

    /** Serves an image of the shared layer and one that no earlier pull has fetched. */
    async function serve(kind: ImageKind, name: string): Promise<BuiltImage> {
      const image = await buildCrashImage(kind, name, bed.scratch.path);
      await bed.push('crash', name, image);
      return image;
    }

    async function pull(image: BuiltImage, container: string): Promise<void> {
      expect(await daemon.pull(reference(image), container)).toBe(image.manifest.digest);
    }

    /** Expects the tree of an uninterrupted pull, apart from the bytes that only this image has. */
    async function expectContainer(container: string, kind: ImageKind, name: string): Promise<void> {
      expect(daemon.read(container, 'own').equals(ownBytes(name)), `${container}: own`).toBe(true);
      const tree = new Map(references.get(kind));
      const own = tree.get('own');
      if (own === undefined) throw new Error(`no reference for ${kind}`);
      tree.set('own', { ...own, sha256: hash('sha256', ownBytes(name)) });
      const root = daemon.path('bundles', container, 'rootfs');
      expect(compareTrees(await readTree(root), tree), container).toEqual([]);
    }

    it.each(IMAGE_KINDS)('passes the named steps with an image %s, and no others', async (kind) => {
      const image = await serve(kind, `steps-${kind}`);
      daemon.forgetPassed();
      await pull(image, 'steps');
      expect([...new Set(daemon.passed())].sort()).toEqual([...daemonSteps(form)].sort());
      await expectRemains(['running', 'steps'], LAYERS);
      references.set(kind, await readTree(daemon.path('bundles', 'steps', 'rootfs')));
    });

    it.each(rowsOf(form))(
      'killed at $steps, image $kind, round $round: the next start pulls, and leaves nothing of the last',
      async ({ steps, kind, round }) => {
        const name = `${steps.join('-')}-${round}`;
        const image = await serve(kind, name);
        const mounted: string[] = [];
        let container = 'dying';
        for (const step of steps) {
          daemon.dieAt(step);
          await expectFailure('TTRPC_CLOSED', () => pull(image, container));
          expect(await daemon.exited).toBe('SIGKILL');
          daemon.dieAt(undefined);
          await daemon.start();
          if (!isMountedAt(step)) continue;
          // The bundle is complete and may be in use by a container, so the pull mounts nothing over it.
          await expectFailure('BUNDLE_INVALID', () => pull(image, container));
          mounted.push(container);
          container = `again-${mounted.length}`;
        }
        await pull(image, container);
        const containers = [...mounted, container];
        for (const each of containers) await expectContainer(each, kind, name);
        await expectContainer('running', 'gzip', 'running');
        // The only directory that cannot be inspected while a rootfs is mounted over it; it is removed with the bundle.
        const staged = steps.includes('config-staged')
          ? mounted[steps.filter(isMountedAt).indexOf('config-staged')]
          : '';
        const halfWritten = staged ? [expect.stringContaining(`/bundles/${staged}/.config.json.`)] : [];
        await expectRemains(['running', ...containers], LAYERS, { halfWritten });
        const [, own] = image.layers;
        if (steps.every(isKeptAt)) expect(countFetches(bed.proxy, own?.digest ?? '')).toBe(KEPT[kind].needingChain + 1);
      },
    );

    it('killed when it has answered: the container is there, and the next pull is served', async () => {
      const image = await serve('gzip', 'answered');
      await pull(image, 'answered');
      await daemon.kill();
      await daemon.start();
      await pull(image, 'again');
      for (const container of ['answered', 'again']) await expectContainer(container, 'gzip', 'answered');
      await expectRemains(['running', 'answered', 'again'], LAYERS);
    });

    it('gives everything back when the last container has gone', async () => {
      await expectRemains(['running'], LAYERS - 1);
      await expectContainer('running', 'gzip', 'running');
      daemon.remove('running');
      await expectRemains([], 0);
    });

    it('keeps nothing when its images are removed as well', async () => {
      const commands = composeTestCli();
      const options = { settings: {}, configFile: daemon.configFile, debug: false, ofDaemon: true, all: true };
      const io = { signal: new AbortController().signal, onProgress: () => {} };
      const { images } = await commands.prune(options, io);
      expect(listContents(daemon.halves)).toEqual(emptyContents(form));
      expect(images.length).toBeGreaterThan(0);
    });
  });
});
