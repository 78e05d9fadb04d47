import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BuiltImage, buildImage, buildLayer, pushImage } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import type { DiskImage } from '../support/podvm/disk-image.ts';
import { GUEST, GuestDaemon, type PullOutcome } from '../support/podvm/guest-daemon.ts';
import { BLOCK_BYTES, countStates, type ImageLocation, KnownBlocks } from '../support/podvm/known-blocks.ts';
import { changedBlocks, type HostLocation, StoreMap } from '../support/podvm/store-map.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestDisk, GuestProcess } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { startTamperProxy, type TamperProxy } from '../support/proxies/tamper-proxy.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const FILE_BYTES = (IS_SOAK ? 24 : 4) * MIB;
const DISK_BYTES = (IS_SOAK ? 128 : 64) * MIB;
/** Number of image blocks that the host changes; the long run changes every second one. */
const MAX_FLIPS = IS_SOAK ? Number.POSITIVE_INFINITY : 600;
const CLI_CONFIG = '/run/sealift-cli.toml';

const SETTINGS = `
[pull]
tls_verify = false
insecure_policy = true
[pull.limits]
max_tries = 3
retry_delay_ms = 20
store_timeout_ms = 600000
volume_timeout_ms = 600000
[store]
min_free_bytes = 0
[log]
level = "debug"
`;

/** A block of the image, and where it lies on the host's disk. */
type HostBlock = ImageLocation & HostLocation;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the daemon on a disk that the host changes', () => {
  let registry: RunningRegistry;
  let proxy: TamperProxy;
  let hasImages = true;
  let daemon: GuestDaemon;
  let disk: GuestDisk;
  let empty: DiskImage;
  const [first, second] = [contentOf('first'), contentOf('second')];
  let images: { readonly first: BuiltImage; readonly second: BuiltImage };
  let blocks: { readonly first: KnownBlocks; readonly second: KnownBlocks };
  const scratch = new ReapedFolder('daemon-hostile');
  const vm = usePodVm({ name: 'daemon-hostile', disks: [{ serial: 'store', size: DISK_BYTES }] });

  beforeAll(async () => {
    registry = await startDockerRegistry();
    proxy = await startTamperProxy(registry.host, (_, outgoing) => {
      // The pull would repeat its requests to a registry that does not answer for half a minute.
      if (!hasImages) outgoing.writeHead(404).end();
      return !hasImages;
    });
    images = { first: await build(first), second: await build(second) };
    await pushImage(registry.url, 'app', 'latest', images.first);
    blocks = {
      first: await KnownBlocks.install(vm(), 'first', first),
      second: await KnownBlocks.install(vm(), 'second', second),
    };
    daemon = await GuestDaemon.start(vm(), SETTINGS, scratch.path);
    disk = await vm().disk('store');
    await daemon.agent.secureMount(disk.deviceId, GUEST.store);
    await shell('cd /sys/module/dm_bufio/parameters; echo 0 > retain_bytes; echo 1 > max_age_seconds; sync');
    empty = await disk.image.takeSnapshot();
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await proxy?.stop();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  const shell = (script: string) => vm().mustRun(['sh', '-c', script]);
  const referenceOf = (suffix: string) => `${proxy.host.replace('127.0.0.1', vm().registryHost)}/app${suffix}`;
  const TAG = ':latest';

  async function build(content: ReadonlyMap<string, Buffer>): Promise<BuiltImage> {
    const [busybox, ...others] = [...content].map(([name, bytes]) => file(name, bytes, { mode: 0o755 }));
    const base = [dir('bin'), dir('proc'), ...(busybox === undefined ? [] : [busybox]), symlink('bin/cat', 'busybox')];
    const layers = [await buildLayer(tar(base), 'gzip', scratch.path)];
    for (const other of others) layers.push(await buildLayer(tar([other]), 'none', scratch.path));
    return buildImage({ format: 'oci', layers, config: { Cmd: ['/bin/cat'], Env: ['PATH=/bin'] } });
  }

  /** Finds where the blocks of all layers lie on the host's disk. */
  async function locate(known: KnownBlocks): Promise<readonly HostBlock[]> {
    const map = await StoreMap.read(vm(), GUEST.mapping);
    const found: HostBlock[] = [];
    for (const name of (await shell(`ls ${GUEST.store}/store/layers`)).split('\n').filter(Boolean)) {
      const locationOf = await map.locateFile(`/store/layers/${name}`);
      const blocksInImage = await known.locate(`${GUEST.store}/store/layers/${name}`);
      found.push(...blocksInImage.map((block) => ({ ...block, ...locationOf(block.imageBlock) })));
    }
    return found;
  }

  /**
   * Changes the disk while the guest is paused, with its caches dropped: unchanged blocks stay as they were, and the
   * next read comes from the disk.
   */
  async function behindItsBack(change: () => void | Promise<void>): Promise<void> {
    await vm().dropCaches();
    await vm().pause();
    await change();
    await vm().resume();
    await vm().dropCaches();
  }

  const flip = (changed: readonly { readonly offset: number }[]) => {
    // Flips another bit in each of them, anywhere in the block.
    for (const [at, { offset }] of changed.entries()) disk.image.flipBit(offset + ((at * 997) % BLOCK_BYTES), at % 8);
  };

  const stateDir = async () => (await shell(`ls -d ${GUEST.state}/store-*`)).trim();

  async function writeCliConfig(): Promise<void> {
    const settings = `[store]\ndata = "${GUEST.store}/store"\nstate = "${await stateDir()}"\n`;
    await vm().writeFile(CLI_CONFIG, settings);
  }

  /** Returns what the CLI prints of the daemon's store, or the reason why it cannot. */
  async function listImages(): Promise<string> {
    await writeCliConfig();
    return (await vm().run(['sealift', 'images', '-c', CLI_CONFIG, '--json'])).stdout.toString();
  }

  let container: GuestProcess;
  let running: PullOutcome;
  let located: readonly HostBlock[];

  it('shows all bytes as they are while nobody meddles, and lays them where the host can see them change', async () => {
    running = await daemon.mustPull(referenceOf(TAG));
    expect(running.digest).toBe(images.first.manifest.digest);
    container = await vm().spawn(['crun', 'run', '--no-pivot', '--bundle', running.bundle, 'hostile']);
    expect(await echo(container, 'before')).toBe('before');
    await vm().dropCaches();
    const states = await blocks.first.read(`${running.bundle}/rootfs`);
    expect(countStates(states)).toMatchObject({ failed: 0, other: 0 });
    located = await locate(blocks.first);
    expect(located.length).toBeGreaterThan((2 * FILE_BYTES) / BLOCK_BYTES - 1);
    // All of them are among the blocks that the pull has changed on the host's disk.
    const changed = await changedBlocks(empty, disk.image);
    expect(located.filter(({ offset }) => !changed.has(offset))).toEqual([]);
  });

  it('reads changed blocks as I/O errors, and none as other bytes', async () => {
    const candidates = located.filter(({ name }) => isData(name));
    const step = Math.max(2, Math.ceil(candidates.length / MAX_FLIPS));
    const changed = candidates.filter((_, at) => at % step === 0);
    expect(changed.length).toBeGreaterThan(400);
    await behindItsBack(() => flip(changed));
    const states = await blocks.first.read(`${running.bundle}/rootfs`);
    expect(countStates(states).other).toBe(0);
    const seen = changed.filter(({ name, block }) => states.get(name)?.[block] === 'E');
    process.stdout.write(
      `flipped ${changed.length} blocks: ${seen.length} refused, ${countStates(states).failed} in all\n`,
    );
    expect(seen.length / changed.length).toBeGreaterThanOrEqual(0.9);
    // Most of the other blocks can be read: the reader distinguishes changed ones from right ones.
    expect(countStates(states).right).toBeGreaterThan(countStates(states).failed);
    // A container that has not read the changed blocks continues.
    expect(await echo(container, 'meanwhile')).toBe('meanwhile');
    // Positive control: flipping the same bits again restores everything.
    await behindItsBack(() => flip(changed));
    expect(countStates(await blocks.first.read(`${running.bundle}/rootfs`))).toMatchObject({ failed: 0, other: 0 });
  });

  let old: DiskImage;

  /**
   * Waits until dm-integrity drops the tags, half a minute after their last use; no other way of dropping caches
   * removes them.
   */
  async function untilTagsAreForgotten(): Promise<void> {
    const kept = () => shell('cat /sys/module/dm_bufio/parameters/current_allocated_bytes');
    await expect.poll(kept, { interval: 1_000 }).toBe('0\n');
    await shell('echo 3 > /proc/sys/vm/drop_caches');
  }

  it('reads what the host puts back of an older image as I/O errors, and none as other bytes', async () => {
    await vm().mustRun(['sync']);
    old = await disk.image.takeSnapshot();
    // The tag moves on. Nearly all that is free is taken away, so that the new image lies where the old one was.
    container.stdin.end();
    expect(await container.exited).toBe(0);
    await shell(
      `umount ${running.bundle}/rootfs
       free=$(df -k ${GUEST.store} | awk 'END { print $4 }')
       fallocate -l $(((free - 4096) * 1024)) ${GUEST.store}/taken`,
    );
    await writeCliConfig();
    await vm().mustRun(['sealift', 'prune', '--all', '-c', CLI_CONFIG]);
    await pushImage(registry.url, 'app', 'latest', images.second);
    running = await daemon.mustPull(referenceOf(TAG));
    expect(running.digest).toBe(images.second.manifest.digest);
    await vm().dropCaches();
    expect(countStates(await blocks.second.read(`${running.bundle}/rootfs`))).toMatchObject({ failed: 0, other: 0 });
    const layers = (await shell(`ls ${GUEST.store}/store/layers`)).split('\n').filter(Boolean);
    const offsets = new Set(located.filter(({ name }) => isData(name)).map(({ offset }) => offset));
    const now = (await locate(blocks.second)).filter(({ name, offset }) => isData(name) && offsets.has(offset));
    expect(now.length).toBeGreaterThan(500);

    // The old blocks are put back with their tags: dm-crypt accepts them like the newer ones, once it forgets those.
    await behindItsBack(() => {
      for (const { offset, tag } of now) {
        disk.image.write(offset, old.read(offset, BLOCK_BYTES));
        disk.image.write(tag.start, old.read(tag.start, tag.length));
      }
    });
    if (IS_SOAK) await untilTagsAreForgotten();
    const states = await blocks.second.read(`${running.bundle}/rootfs`);
    const seen = now.filter(({ name, block }) => states.get(name)?.[block] === 'E');
    process.stdout.write(
      `put back ${now.length} blocks: ${seen.length} refused, ${countStates(states).failed} in all\n`,
    );
    expect(countStates(states).other).toBe(0);
    expect(seen.length / now.length).toBeGreaterThanOrEqual(0.9);
    if (!IS_SOAK) return;
    // Positive control: past the hash tree, the old bytes are what the new layer holds.
    const found: ImageLocation[] = [];
    for (const layer of layers) found.push(...(await blocks.first.locate(`${GUEST.store}/store/layers/${layer}`)));
    expect(found.filter(({ name }) => isData(name)).length / now.length).toBeGreaterThanOrEqual(0.9);
    const words = await shell("dmesg | grep 'device-mapper: ' | tail -n 100");
    expect(words).toMatch(/device-mapper: verity: .* data block \d+ is corrupted/);
  });

  /** Asserts that, whatever a pull answers, the old image never appears and every byte is one of the new image. */
  async function assertNothingOld(): Promise<void> {
    expect(await shell(`grep -rl ${images.first.manifest.digest} ${await stateDir()} || true`)).toBe('');
    hasImages = false;
    for (const suffix of [TAG, `@${images.first.top.digest}`]) {
      const { status, message } = await daemon.pull(referenceOf(suffix));
      expect(status, message).not.toBe(0);
    }
    await assertRightOrRefused(`@${images.second.top.digest}`);
    hasImages = true;
    await assertRightOrRefused(TAG);
    expect(countStates(await blocks.second.read(`${running.bundle}/rootfs`)).other).toBe(0);
  }

  async function assertRightOrRefused(suffix: string): Promise<void> {
    const { status, message, digest, bundle } = await daemon.pull(referenceOf(suffix));
    const [code] = /\[[A-Z]+_[A-Z_]+\]/.exec(message) ?? [];
    process.stdout.write(`pull of what was put back: ${status === 0 ? 'mounted' : code}\n`);
    if (status !== 0) return;
    expect(digest).toBe(images.second.manifest.digest);
    expect(countStates(await blocks.second.read(`${bundle}/rootfs`)).other).toBe(0);
  }

  it('never brings the old tag back, nor its layers', async () => {
    const listed = await listImages();
    expect(listed).toContain(images.second.manifest.digest);
    expect(listed).not.toContain(images.first.manifest.digest);
    // Control: the records name the image that there is.
    expect(await shell(`grep -rl ${images.second.manifest.digest} ${await stateDir()}`)).not.toBe('');
    await assertNothingOld();
  });

  it('nor when the whole disk is put back', async () => {
    await behindItsBack(() => disk.image.restore(old));
    await assertNothingOld();
  });

  it('nor after the daemon was killed and started again', async () => {
    await daemon.process.kill();
    expect(await daemon.process.exited).toBe(137);
    await behindItsBack(() => disk.image.restore(old));
    await daemon.startAgain();
    await assertNothingOld();
  });

  it('shows no other bytes when the host changes every block that it has', async () => {
    const extents = await disk.image.listExtents();
    const all = extents.flatMap(({ start, length }) =>
      Array.from({ length: Math.floor(length / BLOCK_BYTES) }, (_, at) => ({ offset: start + at * BLOCK_BYTES })),
    );
    await behindItsBack(() => flip(all));
    const states = countStates(await blocks.second.read(`${running.bundle}/rootfs`));
    expect(states.other).toBe(0);
    expect(states.failed).toBeGreaterThan((2 * FILE_BYTES) / BLOCK_BYTES - 1);
    const { status, message } = await daemon.pull(referenceOf(`@${images.second.top.digest}`));
    expect(status, message).not.toBe(0);
  });
});

/** The content of an image: a program, the same in each, and data that no other image has. */
function contentOf(seed: string): ReadonlyMap<string, Buffer> {
  return new Map([
    ['bin/busybox', readFileSync('/bin/busybox')],
    ['data-1', pseudoRandom(FILE_BYTES, `${seed} 1`)],
    ['data-2', pseudoRandom(FILE_BYTES, `${seed} 2`)],
  ]);
}

function isData(name: string): boolean {
  return name.startsWith('data');
}

/** Sends one line through a container that runs cat, and returns its output. */
async function echo({ stdin, stdout }: GuestProcess, line: string): Promise<string> {
  const answered = new Promise<string>((resolve) => stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  stdin.write(`${line}\n`);
  return (await answered).trim();
}
