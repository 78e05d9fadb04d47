import { createCipheriv } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltImage, buildImage, buildLayer, pushImage } from '../support/builders/image-builder.ts';
import { file, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { GUEST, GuestDaemon } from '../support/podvm/guest-daemon.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const MEMORY_BYTES = 64 * MIB;
const DISK_BYTES = 96 * MIB;

const SETTINGS = `
[pull]
tls_verify = false
[volume]
memory_size = ${MEMORY_BYTES}
`;

/** Images by name. The fault of each shows before it is unpacked, or meanwhile. */
const IMAGES = {
  small: { bytes: 4 * MIB, repeated: 1 },
  /** Larger than either backing even when compressed. */
  large: { bytes: 120 * MIB, repeated: 1 },
  /** Fits when compressed, but not unpacked. */
  swelling: { bytes: 8 * MIB, repeated: 16 },
} as const;
type Name = keyof typeof IMAGES;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'a pod VM with too little room', () => {
  let registry: RunningRegistry;
  let daemon: GuestDaemon;
  const images = new Map<Name, BuiltImage>();
  const scratch = new ReapedFolder('space');
  const vm = usePodVm({ name: 'space', disks: [{ serial: 'store', size: DISK_BYTES }] });

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const first = await buildLayer(tar([file('first', noise(2 * MIB, 'first'))]), 'gzip', scratch.path);
    for (const [name, { bytes, repeated }] of entriesOf(IMAGES)) {
      // Content that repeats within a few kilobytes is stored once and referred to.
      const content = repeated === 1 ? noise(bytes, name) : swell(noise(bytes, name), repeated);
      const layers = [first, await buildLayer(tar([file('content', content)]), 'gzip', scratch.path)];
      const image = buildImage({ format: 'oci', layers });
      images.set(name, image);
      await pushImage(registry.url, `space/${name}`, 'latest', image);
    }
    daemon = await GuestDaemon.start(vm(), SETTINGS, scratch.path);
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  function pull(name: Name) {
    const host = registry.host.replace('127.0.0.1', vm().registryHost);
    return daemon.pull(`${host}/space/${name}@${images.get(name)?.top.digest}`);
  }

  async function refuse(name: Name): Promise<string> {
    const { bundle, status, message } = await pull(name);
    expect(status).toBe(13);
    expect(await vm().mustRun(['ls', bundle])).toBe('');
    return message;
  }

  async function accept(name: Name): Promise<void> {
    const { bundle, status, message } = await pull(name);
    expect({ status, message }).toEqual({ status: 0, message: '' });
    const size = await vm().mustRun(['stat', '-c', '%s', `${bundle}/rootfs/content`]);
    expect(Number(size)).toBe(IMAGES[name].bytes * IMAGES[name].repeated);
    await vm().mustRun(['umount', `${bundle}/rootfs`]);
  }

  const usedKib = async (directory: string) =>
    Number((await vm().mustRun(['sh', '-c', `df -k ${directory} | awk 'END{print $3}'`])).trim());
  /** Names of all layers, stagings and uppers. */
  async function contents(directory: string): Promise<string[]> {
    const list = `cd ${directory}/store && ls layers staging uppers | grep -v ':$' || :`;
    return (await vm().mustRun(['sh', '-c', list])).split('\n').filter(Boolean);
  }

  // What is said of memory is in `test/unit/volume/explain-shortage` as well.
  describe.each(
    [
      {
        directory: GUEST.memory,
        what: 'memory',
        remedy: /raise the memory limit of the pod .*image-store-size: 1Gi\)/,
      },
      {
        directory: GUEST.store,
        what: 'the disk',
        remedy: /raise the annotation contrast\.edgeless\.systems\/image-store-size, or the volume, to 1Gi/,
      },
    ].filter(({ what }) => what === 'the disk' || IS_SOAK),
  )('$what', ({ directory, remedy }) => {
    let before: number;

    it('takes what fits', async () => {
      if (directory === GUEST.store)
        await daemon.agent.secureMount((await vm().disk('store')).deviceId, `${GUEST.store}/`);
      await accept('small');
      // The container's upper is gone, and the layers are there.
      await expect.poll(() => contents(directory)).toHaveLength(2);
      before = await usedKib(directory);
    });

    it('refuses what cannot fit before it fetches a layer, with need, have and remedy', async () => {
      const message = await refuse('large');
      expect(message).toContain('[STORE_SPACE_EXHAUSTED]');
      expect(message).toMatch(/is full: needs \d+ bytes, \d+ free after removing \d+ unused images?/);
      expect(message).toMatch(
        /needs at least 1\d\d\.\d MiB and probably \d+\.\d MiB, has \d+\.\d MiB of \d+\.\d MiB free/,
      );
      expect(message).toMatch(remedy);
    });

    it('refuses what turns out too large while it is unpacked, and has all the room back', async () => {
      const message = await refuse('swelling');
      expect(message).toContain('[STORE_SPACE_EXHAUSTED]');
      expect(message).toMatch(/is full: the layer needs (?:more than the \d+ bytes that it had|about \d+ bytes)/);
      expect(message).toMatch(
        /needs at least \d+\.\d MiB and probably \d+\.\d MiB, has \d+\.\d MiB of \d+\.\d MiB free/,
      );
      expect(message).toMatch(remedy);
      await expect.poll(() => usedKib(directory)).toBeLessThanOrEqual(before + 64);
    });

    it('pulls the next image all the same', async () => {
      await accept('small');
      await expect.poll(() => contents(directory)).toHaveLength(2);
    });
  });
});

function entriesOf<Key extends string, Value>(record: Readonly<Record<Key, Value>>): [Key, Value][] {
  return Object.entries(record) as [Key, Value][];
}

/** Returns the same bytes for the same seed; fast, and not compressible. */
function noise(bytes: number, seed: string): Buffer {
  const key = Buffer.alloc(16, seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Repeats each kilobyte many times. */
function swell(bytes: Buffer, times: number): Buffer {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < bytes.length; offset += 1024) {
    for (let time = 0; time < times; time += 1) pieces.push(bytes.subarray(offset, offset + 1024));
  }
  return Buffer.concat(pieces);
}
