import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type BuiltImage,
  type BuiltLayer,
  buildImage,
  buildLayer,
  pushImage,
} from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { AT_ONCE_MS } from '../support/patience.ts';
import { GUEST, GuestDaemon, type PullOutcome } from '../support/podvm/guest-daemon.ts';
import { pullByServerClock } from '../support/podvm/pull-by-server-clock.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestDisk, GuestProcess } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { startTamperProxy, type TamperProxy } from '../support/proxies/tamper-proxy.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';

const MIB = 1 << 20;
const LAYER_BYTES = 6 * MIB;
/** Long enough for what the disk does while it answers, in an emulated machine on a busy one. */
const VOLUME_TIMEOUT_MS = 30_000;
/** The probe timeout of the volume, which is the longest that a pull waits for it. */
const PROBE_MS = 10_000;
/** Beyond a time limit of the daemon, on a machine as busy as may be. An answer that waits for the disk never comes. */
const MARGIN_MS = AT_ONCE_MS;
const STALLED = /\[(?:STORE|VOLUME)_STALLED\]/;

const settings = (timeoutMs: number) => `
[pull]
tls_verify = false
[pull.limits]
max_tries = 2
store_timeout_ms = ${timeoutMs}
volume_timeout_ms = ${timeoutMs}
[store]
min_free_bytes = 0
[log]
level = "debug"
`;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the daemon on a disk that stops answering', () => {
  let registry: RunningRegistry;
  let proxy: TamperProxy;
  let daemon: GuestDaemon;
  let disk: GuestDisk;
  let container: GuestProcess;
  /** The daemon that was running when the disk stopped. */
  let first: GuestProcess | undefined;
  let lines = 0;
  const large = [pseudoRandom(LAYER_BYTES, 'large 1'), pseudoRandom(LAYER_BYTES, 'large 2')] as const;
  let images: Readonly<Record<'small' | 'other' | 'large', BuiltImage>>;
  const scratch = new ReapedFolder('daemon-stall');
  const vm = usePodVm({
    name: 'daemon-stall',
    disks: [
      { serial: 'stalls', size: 96 * MIB, nbd: true },
      { serial: 'vanishes', size: 64 * MIB },
    ],
  });

  beforeAll(async () => {
    registry = await startDockerRegistry();
    proxy = await startTamperProxy(registry.host);
    const busybox = file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 });
    const program = [dir('bin'), dir('proc'), busybox, symlink('bin/sh', 'busybox')];
    const words = file('words', 'alive\n');
    images = {
      small: buildImage({
        format: 'oci',
        layers: [await layer([...program, words])],
        config: { Cmd: ['/bin/sh', '-c', 'while :; do head -n 1 /words; usleep 100000; done'], Env: ['PATH=/bin'] },
      }),
      other: buildImage({ format: 'oci', layers: [await layer([file('other', 'other\n')])] }),
      large: buildImage({
        format: 'oci',
        layers: [await layer([file('large-1', large[0])]), await layer([file('large-2', large[1])])],
      }),
    };
    for (const [name, image] of Object.entries(images)) await pushImage(registry.url, name, 'latest', image);
    // Making the volume takes long; only what comes afterwards has to be over in time.
    daemon = await GuestDaemon.start(vm(), settings(600_000), scratch.path);
    disk = await vm().disk('stalls');
    await daemon.agent.secureMount(disk.deviceId, GUEST.store);
    await daemon.process.kill('SIGTERM');
    expect(await daemon.process.exited).toBe(0);
    await daemon.startAgain(settings(VOLUME_TIMEOUT_MS));
    const { bundle } = await daemon.mustPull(referenceOf('small'));
    container = await vm().spawn(['crun', 'run', '--no-pivot', '--bundle', bundle, 'lives']);
    container.stdout.on('data', (chunk: Buffer) => {
      lines += chunk.toString().split('alive').length - 1;
    });
    await new Promise((resolve) => container.stdout.once('data', resolve));
    // A guest that is short of memory has to write while it pulls, and not some time later.
    await shell('echo 2097152 > /proc/sys/vm/dirty_bytes; echo 1048576 > /proc/sys/vm/dirty_background_bytes');
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await proxy?.stop();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  const shell = (script: string) => vm().mustRun(['sh', '-c', script]);
  const layer = (members: Parameters<typeof tar>[0]): Promise<BuiltLayer> =>
    buildLayer(tar(members), 'none', scratch.path);
  const referenceOf = (name: keyof typeof images) =>
    `${proxy.host.replace('127.0.0.1', vm().registryHost)}/${name}@${images[name].top.digest}`;
  const isMounted = async (bundle: string) => (await shell('cat /proc/mounts')).includes(` ${bundle}/rootfs `);
  const pullOther = () => daemon.pull(referenceOf('other'));

  async function assertAlive(): Promise<void> {
    const seen = lines;
    await expect.poll(() => lines).toBeGreaterThan(seen + 3);
  }

  /** Pulls until there is an image again; returns the first pull that was not refused. */
  async function pullWhenAnswered(): Promise<PullOutcome> {
    let last: PullOutcome | undefined;
    await expect
      .poll(
        async () => {
          last = await pullOther();
          return last.message;
        },
        { interval: 500 },
      )
      .toBe('');
    if (last === undefined) throw new Error('no pull was answered');
    return last;
  }

  /** Milliseconds until a call is refused. */
  async function timeOf(call: Promise<unknown>): Promise<number> {
    const startedMs = performance.now();
    await expect(call).rejects.toThrow(/\[VOLUME_REQUEST_UNSUPPORTED\]/);
    return performance.now() - startedMs;
  }

  it('keeps the deadline of a pull in whose middle the disk stops', async () => {
    const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const digests = images.large.layers.map(({ digest }) => digest);
    proxy.holdRequests(async (path) => {
      if (!digests.some((digest) => path.endsWith(digest))) return;
      held.resolve();
      await release.promise;
    });
    const bundle = '/run/kata-containers/middle';
    await vm().mustRun(['mkdir', '-p', bundle]);
    const timeoutMs = 7_000;
    const answer = pullByServerClock(`${scratch.path}/agent.sock`, { image: referenceOf('large'), bundle, timeoutMs });
    // The layers arrive next; by then the disk accepts no more writes.
    await Promise.race([held.promise, answer]);
    await disk.stall();
    release.resolve();
    proxy.holdRequests(undefined);
    const { status, ms } = await answer;
    process.stdout.write(`a deadline of ${timeoutMs} ms on a disk that hangs: answered after ${Math.round(ms)} ms\n`);
    expect(status).toBe(4);
    expect(ms).toBeGreaterThan(timeoutMs * 0.9);
    expect(ms).toBeLessThan(timeoutMs + MARGIN_MS);
    expect(await isMounted(bundle)).toBe(false);
  });

  it('refuses new pulls and says why, answers everything else, and leaves containers alone', async () => {
    const { deviceId } = disk;
    const startedMs = performance.now();
    const [refused, mounted] = await Promise.all([
      pullOther(),
      daemon.agent.secureMount(deviceId, GUEST.store).then(
        () => 'mounted',
        ({ message }: Error) => message,
      ),
    ]);
    expect(refused.message).toMatch(STALLED);
    expect(refused.ms).toBeLessThan(VOLUME_TIMEOUT_MS + MARGIN_MS);
    expect(mounted).toMatch(STALLED);
    expect(performance.now() - startedMs).toBeLessThan(VOLUME_TIMEOUT_MS + MARGIN_MS);
    const next = await pullOther();
    expect(next.message).toContain('[STORE_STALLED]');
    // It waits for no time limit: it takes about as long as a call that is refused for its mount point.
    const unrelatedMs = await timeOf(daemon.agent.secureMount(deviceId, '/run/elsewhere'));
    expect(next.ms).toBeLessThan(5 * unrelatedMs + VOLUME_TIMEOUT_MS / 4);
    await expect.poll(async () => (await daemon.records()).imageStore.state).toBe('stalled');
    const { place, error } = await daemon.status();
    expect(place).toBeUndefined();
    expect(error?.code).toBe('VOLUME_STALLED');
    await assertAlive();
    for (const { bundle } of [refused, next]) expect(await isMounted(bundle)).toBe(false);
  });

  it('ends when it is told to although the disk hangs, and the next one says what it finds', async () => {
    first = daemon.process;
    await first.kill('SIGTERM');
    // A thread that hangs in the kernel stays there; no other part of the process hangs.
    const state = () => shell(`sed -n 's/^State:.//p' /proc/${first?.pid}/status 2>/dev/null || echo gone`);
    await expect.poll(state).toMatch(/^(?:Z|X|gone)/);
    await daemon.startAgain();
    const refused = await pullOther();
    expect(refused.message).toMatch(STALLED);
    expect(refused.ms).toBeLessThan(VOLUME_TIMEOUT_MS + MARGIN_MS);
    expect((await daemon.records()).imageStore.state).toBe('stalled');
    await assertAlive();
  });

  it('goes on by itself when the disk answers again', async () => {
    await disk.unstall();
    expect(await first?.exited).toBe(137);
    const { bundle } = await pullWhenAnswered();
    expect(await vm().mustRun(['cat', `${bundle}/rootfs/other`])).toBe('other\n');
    expect((await daemon.records()).imageStore.state).toBe('ready');
    const whole = await daemon.mustPull(referenceOf('large'));
    for (const [at, content] of large.entries()) {
      const sum = await vm().mustRun(['sha256sum', `${whole.bundle}/rootfs/large-${at + 1}`]);
      expect(sum.split(' ')[0]).toBe(hash('sha256', content));
    }
    // The partial files of the pull that was given up are gone.
    await expect
      .poll(() => shell(`ls ${GUEST.store}/store/staging ${GUEST.store}/store/trash`))
      .not.toMatch(/^[0-9a-f]/m);
    await assertAlive();
  });

  it('fails when the disk is gone for good, and answers', async () => {
    await disk.kill();
    const refused = await pullOther();
    expect(refused.message).toMatch(/\[VOLUME_DEVICE_FAILED\]/);
    expect(refused.ms).toBeLessThan(PROBE_MS + MARGIN_MS);
    const { imageStore } = await daemon.records();
    expect(imageStore).toMatchObject({ state: 'failed', error: { code: 'VOLUME_DEVICE_FAILED' } });
    const startedMs = performance.now();
    await expect(daemon.agent.secureMount(disk.deviceId, GUEST.store)).rejects.toThrow(/\[VOLUME_/);
    expect(performance.now() - startedMs).toBeLessThan(VOLUME_TIMEOUT_MS + PROBE_MS + MARGIN_MS);
    expect((await daemon.records()).imageStore.state).toBe('failed');
    expect(await pullOther()).toMatchObject({ message: expect.stringMatching(/\[VOLUME_/) });
  });

  it('takes another disk once its containers are gone, fails when that is pulled out, and lives', async () => {
    // The container may have ended by itself when it read bytes that were in no cache.
    await vm().run(['crun', 'delete', '--force', 'lives']);
    await container.exited;
    await shell(`for mount in $(awk '$3 == "overlay" { print $2 }' /proc/mounts); do umount "$mount"; done`);
    await expect.poll(() => shell('cat /proc/mounts')).not.toContain(' erofs ');
    const { deviceId } = await vm().disk('vanishes');
    await daemon.agent.secureMount(deviceId, GUEST.store);
    const { bundle } = await pullWhenAnswered();
    expect(await vm().mustRun(['cat', `${bundle}/rootfs/other`])).toBe('other\n');
    await vm().unplugDisk('vanishes');
    const refused = await pullOther();
    expect(refused.message).toMatch(/\[VOLUME_(?:DEVICE_FAILED|LOST)\]/);
    expect(refused.ms).toBeLessThan(PROBE_MS + MARGIN_MS);
    expect((await daemon.records()).imageStore.state).toBe('failed');
    await daemon.process.kill('SIGTERM');
    expect(await daemon.process.exited).toBe(0);
  });
});
