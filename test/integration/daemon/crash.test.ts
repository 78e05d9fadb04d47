import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type BuiltImage, type BuiltLayer, buildImage, buildLayer } from '../../support/image-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type DaemonRemains, NativeDaemon, remainsOf } from '../../support/native-daemon.ts';
import { describeWith } from '../../support/needs.ts';
import { isMountedAt, PULL_STEPS } from '../../support/pull-steps.ts';
import { pseudoRandom } from '../../support/small-image.ts';
import { countFetches } from '../../support/tamper-proxy.ts';
import { dir, file, tar } from '../../support/tar-builder.ts';
import { TestBed } from '../../support/test-bed.ts';

const SHARED = pseudoRandom(300_000, 'shared');
/** Those of the container that runs all the time, and the new image's own. */
const LAYERS = 3;

/** Every row goes on with the store, and with the container, that the row before has left. */
describeWith(['root', 'docker-registry'], 'sealiftd killed while it pulls', () => {
  let bed: TestBed;
  let daemon: NativeDaemon;
  let shared: BuiltLayer;

  beforeAll(async () => {
    bed = await TestBed.open();
    shared = await buildLayer(tar([dir('./'), file('shared', SHARED)]), 'gzip', bed.scratch.path);
    daemon = await NativeDaemon.open();
    await daemon.start();
    await daemon.pull(reference(await serve('running')), 'running');
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

  const bytesOf = (name: string) => pseudoRandom(200_000, name);
  const reference = (image: BuiltImage) => bed.reference(`crash@${image.top.digest}`);
  const expectContainer = (container: string, name: string) => {
    expect(daemon.read(container, 'shared').equals(SHARED), `${container}: shared`).toBe(true);
    expect(daemon.read(container, 'own').equals(bytesOf(name)), `${container}: own`).toBe(true);
  };
  const expectRemains = (containers: readonly string[], layers: number, others: Partial<DaemonRemains> = {}) =>
    expect.poll(() => daemon.remains(), { timeout: 10_000 }).toEqual({ ...remainsOf(containers, layers), ...others });

  /** The shared layer and one that nobody has pulled yet. */
  async function serve(name: string): Promise<BuiltImage> {
    const own = await buildLayer(tar([file('own', bytesOf(name))]), 'gzip', bed.scratch.path);
    const image = buildImage({ format: 'oci', layers: [shared, own], config: { Cmd: ['/own'] } });
    await bed.push('crash', name, image);
    return image;
  }

  async function pull(image: BuiltImage, container: string): Promise<void> {
    expect(await daemon.pull(reference(image), container)).toBe(image.manifest.digest);
  }

  it('passes the named steps, and no others', async () => {
    const image = await serve('steps');
    daemon.forgetPassed();
    await pull(image, 'steps');
    expect([...new Set(daemon.passed())].sort()).toEqual([...PULL_STEPS].sort());
    await expectRemains(['running', 'steps'], LAYERS);
  });

  it.each(PULL_STEPS)('killed at %s: the next start pulls, and leaves nothing of the last', async (step) => {
    const image = await serve(step);
    daemon.dieAt(step);
    await expectFailure('TTRPC_CLOSED', () => pull(image, 'dying'));
    expect(await daemon.exited).toBe('SIGKILL');
    expectContainer('running', 'running');
    daemon.dieAt(undefined);
    await daemon.start();
    const containers = ['running', 'dying'];
    if (isMountedAt(step)) {
      // It may run: nothing is mounted over it.
      const error = await expectFailure('TTRPC_CALL_FAILED', () => pull(image, 'dying'));
      expect(error.message).toContain('[BUNDLE_INVALID]');
      await pull(image, 'again');
      containers.push('again');
    } else await pull(image, 'dying');
    for (const container of containers) expectContainer(container, container === 'running' ? 'running' : step);
    // The one place where nobody can look while a rootfs is mounted there; it goes with the bundle.
    const halfWritten = step === 'config-staged' ? [expect.stringContaining('/bundles/dying/.config.json.')] : [];
    await expectRemains(containers, LAYERS, { halfWritten });
    const [, own] = image.layers;
    const isKept = PULL_STEPS.indexOf(step) >= PULL_STEPS.indexOf('published');
    if (isKept) expect(countFetches(bed.proxy, own?.digest ?? '')).toBe(1);
  });

  it('killed when it has answered: the container is there, and the next pull is served', async () => {
    const image = await serve('answered');
    await pull(image, 'answered');
    await daemon.kill();
    await daemon.start();
    await pull(image, 'again');
    for (const container of ['answered', 'again']) expectContainer(container, 'answered');
    await expectRemains(['running', 'answered', 'again'], LAYERS);
  });

  it('gives everything back when the last container has gone', async () => {
    await expectRemains(['running'], LAYERS - 1);
    expectContainer('running', 'running');
    daemon.remove('running');
    await expectRemains([], 0);
  });
});
