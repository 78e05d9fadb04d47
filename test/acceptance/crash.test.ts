import { afterAll, beforeAll, expect, it } from 'vitest';
import { tryLockFile } from '../../src/store/lock-file.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildRichLayers, loadRichImage, MANY_FILES, type RichImage } from '../support/builders/debian-image.ts';
import { type BuiltImage, buildImage } from '../support/builders/image-builder.ts';
import { loopsBelow } from '../support/machine/loops.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import { type InterruptedPulls, interruptedCli, interruptedDaemon } from '../support/programs/interrupted-pulls.ts';
import type { LayerForm } from '../support/programs/pull-steps.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { IS_SOAK } from '../support/soak.ts';
import { emptyContents, listContents } from '../support/stores/store-contents.ts';

const KILLS = IS_SOAK ? 50 : 2;

/** Each program with each form of layers; in the short run each program with one of them. */
const PULLERS = (['sealift', 'sealiftd'] as const)
  .flatMap((program) => (['erofs', 'directory'] as const).map((form) => ({ program, form })))
  .filter(({ program, form }) => IS_SOAK || (program === 'sealift') === (form === 'erofs'))
  .map((puller) => ({ name: `${puller.program} with ${puller.form} layers`, ...puller }));

const SEED = chooseSeed(process.env);
const ROWS = moments(seededRandom(SEED));

/** Returns moments that are distributed uniformly over the time that a pull takes. */
function moments(random: () => number) {
  return Array.from({ length: KILLS }, (_, at) => {
    const puller = PULLERS[at % PULLERS.length];
    if (puller === undefined) throw new Error('there are pullers');
    const fraction = random();
    return { kill: at + 1, puller: puller.name, fraction, percent: (fraction * 100).toFixed(1) };
  });
}

interface Puller {
  readonly pulls: InterruptedPulls;
  readonly form: LayerForm;
  /** How long a pull into an empty store takes. */
  readonly durationMs: number;
}

describeWith(
  ['root', 'docker-registry', 'getfattr', 'dpkg-deb'],
  `SIGKILL at ${KILLS} random moments of a pull (SEALIFT_SEED=${SEED} repeats them)`,
  () => {
    let bed: TestBed;
    let rich: RichImage;
    let image: BuiltImage;
    let reference: Tree;
    const pullers = new Map<string, Puller>();
    /** Number of kills that came after the pull had ended. */
    let misses = 0;
    const disposables = new AsyncDisposableStack();

    beforeAll(async () => {
      bed = disposables.use(await TestBed.open());
      rich = await loadRichImage(IS_SOAK ? [] : MANY_FILES);
      const layers = await buildRichLayers(rich, 'gzip', bed.scratch.path);
      image = buildImage({ format: 'oci', index: true, layers, config: { Cmd: ['/bin/sh'] } });
      await bed.push('crash', 'latest', image);
      const tree = bed.newPath('tree');
      expect((await bed.pull(`crash@${image.top.digest}`, ['--unpack', tree])).error).toBeUndefined();
      reference = await readTree(tree);
    });

    afterAll(async () => {
      process.stdout.write(`SEALIFT_SEED=${SEED}: ${KILLS} kills met a pull under way, ${misses} more came too late\n`);
      await disposables.disposeAsync();
    });

    function openPulls(program: 'sealift' | 'sealiftd', form: LayerForm): Promise<InterruptedPulls> {
      const name = bed.reference(`crash@${image.top.digest}`);
      if (program === 'sealift') return Promise.resolve(interruptedCli(bed.newPath('pulls'), name, form));
      return interruptedDaemon(name, form).then((pulls) => disposables.use(pulls));
    }

    async function expectTree(pulls: InterruptedPulls, container: string): Promise<void> {
      const bundle = pulls.bundle(container);
      expect(mountsBelow(bundle), 'one mount').toEqual([`${bundle}/rootfs`]);
      const { unnamed, madeAhead } = rich.directories;
      // The modification time of a directory is undefined if no archive names it, or names it late.
      const withoutMtime = (path: string) => unnamed.has(path) || madeAhead.has(path);
      expect(compareTrees(await readTree(`${bundle}/rootfs`), reference, { withoutMtime })).toEqual([]);
    }

    async function expectAllGivenBack({ pulls, form }: Omit<Puller, 'durationMs'>, containers: readonly string[]) {
      for (const container of containers) await pulls.remove(container);
      expect((await pulls.manage('rm', image.manifest.digest)).error).toBeUndefined();
      expect((await pulls.manage('prune')).error).toBeUndefined();
      expect(listContents(pulls.halves)).toEqual(emptyContents(form));
      const { state, data } = pulls.halves;
      expect([...mountsBelow(state), ...mountsBelow(data)]).toEqual([]);
      // A device mapping that was left would keep its loop device.
      await expect.poll(() => [...loopsBelow(data)]).toEqual([]);
      const lock = tryLockFile(`${state}/lock/store`, 'exclusive');
      expect(lock, 'the lock of the store is free').toBeDefined();
      lock?.release();
    }

    it.each(PULLERS)('none: $name, whose pull takes as long as it takes', async ({ name, program, form }) => {
      const pulls = await openPulls(program, form);
      const startedMs = performance.now();
      expect(await pulls.pull('undisturbed')).toBe(image.manifest.digest);
      pullers.set(name, { pulls, form, durationMs: performance.now() - startedMs });
      await expectTree(pulls, 'undisturbed');
      await expectAllGivenBack({ pulls, form }, ['undisturbed']);
    });

    /** Returns false when the pull had ended before the kill. */
    async function killOnce(found: Puller, name: string, afterMs: number): Promise<boolean> {
      const { pulls } = found;
      const [dying, again] = [`dying-${name}`, `again-${name}`];
      const isHit = await pulls.pullAndKill(dying, afterMs);

      const containers = [dying];
      if (mountsBelow(pulls.bundle(dying)).length > 0) {
        await expectTree(pulls, dying);
        containers.push(again);
      }
      expect(await pulls.pull(containers.at(-1) ?? dying)).toBe(image.manifest.digest);
      for (const container of containers) await expectTree(pulls, container);
      await expectAllGivenBack(found, containers);
      return isHit;
    }

    it.each(ROWS)('$kill: $puller, at $percent % of a pull', async ({ kill, puller, fraction }) => {
      const found = pullers.get(puller);
      if (found === undefined) throw new Error(`no ${puller}`);
      // Pulls take less time when the machine has become less busy: then the kill comes earlier, until it meets one.
      let afterMs = fraction * found.durationMs;
      for (let tries = 1; !(await killOnce(found, `${kill}-${tries}`, afterMs)); tries += 1) {
        misses += 1;
        afterMs *= 0.7;
      }
    });
  },
);
