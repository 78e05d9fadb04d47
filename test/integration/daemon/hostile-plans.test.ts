import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { limitsTable } from '../../support/beds/limit-bed.ts';
import type { ServedImage } from '../../support/beds/pull-bed.ts';
import { dir, file, type TarMember } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { IS_SOAK } from '../../support/soak.ts';

const INSECURE = '[pull]\ntls_verify = false\n';

/** Layers, and paths without directory entries in the topmost one. */
const [TOWER_LAYERS, TOWER_PATHS] = IS_SOAK ? [200, 150_000] : [20, 2_000];
/** Layers, and such paths in each of them. */
const [BULKY_LAYERS, BULKY_PATHS] = IS_SOAK ? [30, 20_000] : [5, 1_000];
const USUAL_PULLS = IS_SOAK ? 15 : 2;
/** A health probe waits for the main thread. */
const MAX_DELAY_MS = 100;

/** Every layer has the directory in which the topmost one has files whose parents have no entry. */
function tower(): TarMember[][] {
  const lower = Array.from({ length: TOWER_LAYERS - 1 }, (_, at) => [dir('d'), file(`d/marker-${at}`, '')]);
  const top = Array.from({ length: TOWER_PATHS }, (_, at) => file(`d/${at.toString(36)}/f`, ''));
  return [...lower, [dir('d'), ...top]];
}

/** Each layer has parents of its own in one directory, so none finds its own in a layer below. */
function bulky(): TarMember[][] {
  return Array.from({ length: BULKY_LAYERS }, (_, layer) =>
    Array.from({ length: BULKY_PATHS }, (__, at) => file(`d/${layer}-${at.toString(36)}/f`, '')),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

describeWith(['root'], 'a pull that has much to plan', () => {
  let bed: DaemonBed;
  let honest: ServedImage;

  beforeAll(async () => {
    bed = await DaemonBed.open({ toml: INSECURE });
    honest = bed.bed.serveImage([[dir('etc'), file('etc/hostname', 'honest')], [file('etc/motd', 'hello')]]);
    await pull(honest);
  });

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  const pull = ({ digest }: ServedImage) => bed.pull(bed.bed.reference(digest));

  async function timedPull(): Promise<number> {
    const startedMs = performance.now();
    expect(await pull(honest)).toBe(honest.digest);
    const tookMs = performance.now() - startedMs;
    bed.removeLast();
    return tookMs;
  }

  it.each([
    ['paths times layers', tower],
    ['facts of many layers', bulky],
  ])('because of %s does not hold up a cached pull of another container', async (_, layers) => {
    const hostile = bed.bed.serveImage(layers());
    const usual: number[] = [];
    const pullUsually = async (count: number) => {
      while (usual.length < count) usual.push(await timedPull());
    };
    await pullUsually(USUAL_PULLS);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    let isUnderWay = true;
    const pulling = pull(hostile).finally(() => {
      isUnderWay = false;
    });
    const meanwhile: number[] = [];
    do meanwhile.push(await timedPull());
    while (isUnderWay);
    delay.disable();
    expect(await pulling).toBe(hostile.digest);
    expect(bed.daemon.parts.pool.stuckThreads).toBe(0);
    if (!IS_SOAK) return;
    // Other work of the machine comes and goes, so the usual time is taken before and afterwards.
    await pullUsually(2 * USUAL_PULLS);
    expect(median(meanwhile)).toBeLessThan(2 * median(usual) + 100);
    expect(delay.percentile(99) / 1e6).toBeLessThan(MAX_DELAY_MS);
  });

  it('beyond the limit for an image fails, and the next pull works', async () => {
    const paths = (layer: number) => Array.from({ length: 200 }, (_, at) => file(`${layer}-${at}/f`, ''));
    await using small = await DaemonBed.open({ toml: limitsTable({ maxImageFactsBytes: 20_000 }) + INSECURE });
    const over = small.bed.serveImage([paths(0), paths(1), paths(2)]);
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => small.pull(small.bed.reference(over.digest)));
    expect(error.context).toMatchObject({ limit: 'maxImageFactsBytes', expected: 20_000 });
    const within = small.bed.serveImage([paths(0), paths(1)]);
    expect(await small.pull(small.bed.reference(within.digest))).toBe(within.digest);
  });
});
