import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  type BuiltImage,
  type BuiltLayer,
  buildImage,
  buildLayer,
  pushImage,
} from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import {
  bundleSteppingDaemon,
  LAUNCH_ENVIRONMENT,
  NODE_OPTIONS,
  STEPPING_DAEMON,
} from '../support/daemons/bundle-stepping-daemon.ts';
import { describeWith } from '../support/machine/needs.ts';
import { expectFailure } from '../support/matchers.ts';
import { AgentClient } from '../support/podvm/agent-calls.ts';
import { SLOW_DISK } from '../support/podvm/guest-daemon.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestProcess } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { CHECKPOINT_VARIABLE, DIE_AT, LIVE_BYTES, PASSED } from '../support/programs/checkpoint-folder.ts';
import { isMountedAt, PULL_STEPS, TREE_STEPS } from '../support/programs/pull-steps.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { IS_SOAK } from '../support/soak.ts';

const GIB = 1 << 30;
const NODE = '/usr/lib/sealift/lib/node';
const FOLDER = '/tmp/stepping-daemon';
const CHECKPOINTS = '/run/checkpoints';
const LIVE = `${CHECKPOINTS}/${LIVE_BYTES}`;
const CONFIG = '/run/sealiftd.toml';
const SOCKET = '/run/confidential-containers/cdh.sock';
const BUNDLES = '/run/kata-containers';
const STORE = '/run/kata-containers/image';
const STEPS = [...PULL_STEPS, ...TREE_STEPS];

/**
 * The steps at which one daemon after the other is killed before one may live. That takes the emulated machine ten
 * seconds: the short run has what only a disk has, in one row, and the other steps without an emulated machine
 * (`test/integration/daemon/crash`); the long run has all steps, each by itself.
 */
const KILLS: readonly { readonly steps: readonly (typeof STEPS)[number][]; readonly round: number }[] = IS_SOAK
  ? [1, 2, 3].flatMap((round) => STEPS.map((step) => ({ steps: [step], round })))
  : [{ steps: ['mapping-created', 'mapping-opened'], round: 1 }];
const [IN_A_ROW, AT_ONCE] = IS_SOAK ? [200, 50] : [6, 2];
/** How long the daemon keeps a thread without work: longer than between two pulls, not long for the test to wait. */
const IDLE_MS = 5_000;
/** Growth of the main thread's live heap for each pull. */
const MAX_GROWTH_BYTES = IS_SOAK ? 25_000 : 500_000;

/** The layers of the container that runs all the time, and the own layer of the new image. */
const LAYERS = 3;

const REMAINS = `
count() { echo "$1 $(wc -l)"; }
grep '^overlay ' /proc/mounts | count containers
awk '$3 == "erofs" { print $2 }' /proc/mounts | sort -u | count layers
awk '$3 == "erofs"' /proc/mounts | count layerMounts
losetup -a | count loops
dmsetup ls --target verity | grep sealift | count trees
dmsetup ls | grep sealift | count mappings
grep ' ${STORE} ' /proc/mounts | count stores
for area in uppers staging trash; do ls ${STORE}/store/$area | count $area; done
ls /run/sealift/store-*/mounts | count mountRecords
ls /run/sealift/store-*/lock | grep -v '^store$' | count locks
find /run/sealift -xdev -name '.beside-*' | count halfWritten
`;

function remainsOf(containers: number, layers: number): Readonly<Record<string, number>> {
  return {
    ...{ containers, uppers: containers, mountRecords: containers },
    ...{ layers, layerMounts: layers, loops: layers, trees: layers, stores: 1 },
    // dm-crypt, and dm-integrity below it.
    mappings: layers + 2,
    ...{ staging: 0, trash: 0, locks: 0, halfWritten: 0 },
  };
}

/** Every row continues with the store and the container that the previous row left. */
describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the daemon in the pod VM, killed and asked for much', () => {
  let registry: RunningRegistry;
  let shared: BuiltLayer;
  let daemon: GuestProcess | undefined;
  let agent: AgentClient;
  let running: GuestProcess;
  let answers: AsyncIterator<string>;
  const scratch = new ReapedFolder('daemon-crash');
  const vm = usePodVm({ name: 'daemon-crash', disks: [{ serial: 'store', size: GIB }] });

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const members = [
      ...[dir('./'), dir('bin'), dir('proc'), file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 })],
      ...['sh', 'md5sum'].map((name) => symlink(`bin/${name}`, 'busybox')),
    ];
    shared = await buildLayer(tar(members), 'gzip', scratch.path);
    for (const { path, contents } of await bundleSteppingDaemon(FOLDER)) await vm().writeFile(path, contents);
    await vm().writeFile(CONFIG, `[pull]\ntls_verify = false\n${SLOW_DISK}worker_idle_ms = ${IDLE_MS}\n`);
    await dieAt('');
    await start();
    agent = await AgentClient.open(vm(), SOCKET, scratch.path);
    await agent.secureMount((await vm().disk('store')).deviceId, STORE);
    await pull(await serve('running'), 'running');
    running = await vm().spawn(['crun', 'run', '--no-pivot', '--bundle', `${BUNDLES}/running`, 'running']);
    answers = createInterface({ input: running.stdout })[Symbol.asyncIterator]();
  });

  afterAll(async () => {
    await agent?.close();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    await dieAt('');
    if (daemon === undefined) await restart();
  });

  const shell = (script: string, ...parameters: string[]) => vm().mustRun(['sh', '-c', script, 'sh', ...parameters]);
  const dieAt = (step: string) => vm().writeFile(`${CHECKPOINTS}/${DIE_AT}`, step);
  const bytesOf = (name: string) => pseudoRandom(200_000, name);
  const md5 = (bytes: Buffer) => hash('md5', bytes);

  async function start(): Promise<void> {
    await vm().mustRun(['rm', '-f', SOCKET]);
    const env = { ...LAUNCH_ENVIRONMENT, [CHECKPOINT_VARIABLE]: CHECKPOINTS };
    const spawned = await vm().spawn([NODE, ...NODE_OPTIONS, `${FOLDER}/${STEPPING_DAEMON}`, CONFIG], { env });
    spawned.stdout.resume();
    spawned.stderr.resume();
    const forget = () => {
      daemon = undefined;
    };
    spawned.exited.then(forget, forget);
    daemon = spawned;
    await shell('until test -S "$1"; do usleep 20000; done', SOCKET);
  }

  async function restart(): Promise<void> {
    await start();
    await agent.reconnect();
  }

  /** Serves an image of the layer that all images have and one that no earlier pull has fetched. */
  async function serve(name: string): Promise<BuiltImage> {
    const own = await buildLayer(tar([file('own', bytesOf(name))]), 'gzip', scratch.path);
    const config = { Cmd: ['/bin/sh', '-c', 'while read -r name; do md5sum "$name"; done'], Env: ['PATH=/bin'] };
    const image = buildImage({ format: 'oci', layers: [shared, own], config });
    await pushImage(registry.url, 'crash', name, image);
    return image;
  }

  const reference = ({ top }: BuiltImage) =>
    `${registry.host.replace('127.0.0.1', vm().registryHost)}/crash@${top.digest}`;

  /** Makes the bundle first, as the agent does. */
  async function pull(image: BuiltImage, container: string): Promise<void> {
    await vm().mustRun(['mkdir', '-p', `${BUNDLES}/${container}`]);
    expect(await agent.pullImage(reference(image), `${BUNDLES}/${container}`)).toBe(image.manifest.digest);
  }

  async function remove(...containers: readonly string[]): Promise<void> {
    await shell('cd "$1"; shift; for c; do umount $c/rootfs; rm -r $c; done', BUNDLES, ...containers);
  }

  /** Expects the container to read the right bytes, past all caches. */
  async function expectRunning(): Promise<void> {
    await vm().dropCaches();
    running.stdin.write('/own\n');
    expect((await answers.next()).value).toBe(`${md5(bytesOf('running'))}  /own`);
  }

  async function expectContainer(container: string, name: string): Promise<void> {
    const found = await shell('cd "$1/rootfs"; md5sum own bin/busybox', `${BUNDLES}/${container}`);
    expect(found).toBe(`${md5(bytesOf(name))}  own\n${md5(readFileSync('/bin/busybox'))}  bin/busybox\n`);
  }

  async function remains(): Promise<Readonly<Record<string, number>>> {
    const lines = (await shell(REMAINS)).trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(' ')).map(([name, count]) => [name, Number(count)]));
  }

  const expectRemains = (containers: number, layers: number) =>
    expect.poll(remains).toEqual(remainsOf(containers, layers));

  it('passes the named steps, and no others', async () => {
    const image = await serve('steps');
    await vm().writeFile(`${CHECKPOINTS}/${PASSED}`, '');
    await pull(image, 'steps');
    const passed = (await vm().readFile(`${CHECKPOINTS}/${PASSED}`)).toString().split('\n').filter(Boolean);
    expect([...new Set(passed)].sort()).toEqual([...STEPS].sort());
    await expectRemains(2, LAYERS);
    await remove('steps');
  });

  it.each(KILLS)(
    'killed at $steps, round $round: the next start pulls, and leaves nothing of the last',
    async ({ steps, round }) => {
      const name = `${steps.join('-')}-${round}`;
      const image = await serve(name);
      for (const step of steps) {
        await dieAt(step);
        const dying = daemon;
        await expectFailure('TTRPC_CLOSED', () => pull(image, 'dying'));
        expect(await dying?.exited).toBe(137);
        await expectRunning();
        await dieAt('');
        await restart();
      }
      const isMounted = steps.some(isMountedAt);
      await pull(image, isMounted ? 'again' : 'dying');
      const containers = isMounted ? ['dying', 'again'] : ['dying'];
      for (const container of containers) await expectContainer(container, name);
      await expectRunning();
      await expectRemains(1 + containers.length, LAYERS);
      await remove(...containers);
    },
  );

  it(`${IN_A_ROW} pulls in a row, ${AT_ONCE} at once: nothing grows, nothing is left`, async () => {
    await expectRemains(1, LAYERS - 1);
    const known = await serve('known');
    const pid = String(daemon?.pid);
    const use = async () => {
      const counts = await shell('ls /proc/$1/task | wc -l; ls -l /proc/$1/fd | grep -vc socket:', pid);
      const [threads = 0, files = 0] = counts.split('\n').map(Number);
      return { threads, files };
    };
    const liveBytes = async () =>
      Number(await shell('rm -f $2; kill -USR2 $1; until test -e $2; do usleep 20000; done; cat $2', pid, LIVE));
    const warmUp = Math.floor(IN_A_ROW / 3);
    let before = { threads: 0, files: 0, live: 0 };
    for (let count = 0; count < IN_A_ROW; count += 1) {
      if (count === warmUp) before = { ...(await use()), live: await liveBytes() };
      await pull(count % 2 === 0 ? await serve(`row-${count}`) : known, 'row');
      await remove('row');
    }
    const growth = Math.round(((await liveBytes()) - before.live) / (IN_A_ROW - warmUp));
    process.stdout.write(`${IN_A_ROW} pulls in the pod VM: ${growth} bytes more alive with each\n`);
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
    await expectRemains(1, LAYERS - 1);
    const isMore = async () => {
      const { threads, files } = await use();
      return threads > before.threads || files > before.files;
    };
    // Threads, which have files of their own, end when they have been idle.
    await expect.poll(isMore).toBe(false);
    const others = await Promise.all(Array.from({ length: AT_ONCE / 2 }, (_, at) => serve(`once-${at}`)));
    const images = others.flatMap((other) => [known, other]);
    await Promise.all(images.map((image, at) => pull(image, `once-${at}`)));
    await expectRemains(1 + AT_ONCE, LAYERS + others.length);
    await remove(...images.map((_, at) => `once-${at}`));
    await expectRunning();
    await expectRemains(1, LAYERS - 1);
  });

  it('gives everything back when the last container has gone', async () => {
    await running[Symbol.asyncDispose]();
    await vm().mustRun(['crun', 'delete', '--force', 'running']);
    await remove('running');
    await expectRemains(0, 0);
  });
});
