import { beforeAll, expect, it } from 'vitest';
import type { VerityFacts } from '../../src/unpack/erofs/types.ts';
import { describeWith } from '../support/machine/needs.ts';
import { bundleProgram } from '../support/podvm/bundle-program.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';

const MIB = 1 << 20;
const NODE = '/usr/lib/sealift/lib/node';
const PROGRAM = '/run/programs/layer-trees.mjs';
const IMAGES = '/mnt/disk';
const MOUNTS = '/run/layer-mounts';
const WORDS = 'what the image says';

interface Answer<Result> {
  readonly result?: Result;
  readonly error?: { readonly code: string; readonly message: string };
}

describeWith(POD_VM_NEEDS, 'a layer image read through its hash tree', () => {
  const vm = usePodVm({ name: 'layer-trees', disks: [{ serial: 'plain', size: 256 * MIB }] });

  beforeAll(async () => {
    await vm().writeFile(PROGRAM, await bundleProgram('test/podvm/guest/layer-trees.ts'));
    const { devicePath } = await vm().disk('plain');
    await vm().mustRun(['mkfs.ext4', '-q', devicePath]);
    await vm().mustRun(['sh', '-c', `mkdir -p ${IMAGES} && mount ${devicePath} ${IMAGES}`]);
  });

  async function ask<Result>(wish: object): Promise<Answer<Result>> {
    const output = await vm().mustRun([NODE, '--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(wish)]);
    return JSON.parse(output);
  }

  const perform = <Result>(kind: string, request: object) =>
    ask<Result>({ act: 'perform', operation: { kind, request } });

  async function writeImage(key: string, bytes = 8 * MIB): Promise<VerityFacts> {
    const { result } = await ask<VerityFacts>({ act: 'write', path: `${IMAGES}/${key}.erofs`, words: WORDS, bytes });
    if (result === undefined) throw new Error(`no image ${key}`);
    return result;
  }

  const mount = (key: string, { rootHash, hashOffset }: VerityFacts, mountsDir = MOUNTS) =>
    perform('mountLayerImages', {
      mountsDir,
      images: [
        {
          image: `${IMAGES}/${key}.erofs`,
          imageBytes: hashOffset,
          tree: { rootHash, hashOffset },
          key,
        },
      ],
    });
  const sweep = (key: string, mountsDir = MOUNTS) => perform('sweepLayerMounts', { mountsDir, keys: [key] });
  const mappings = async () => (await vm().mustRun(['dmsetup', 'ls'])).match(/^sealift-\S+/gm) ?? [];
  const loops = () => vm().mustRun(['losetup', '-a']);
  const read = (key: string, name: string) => vm().run(['cat', `${MOUNTS}/${key}/${name}`]);

  it('shows what was written, and leaves no mapping and no loop device behind', async () => {
    const tree = await writeImage('whole');
    expect(await mount('whole', tree)).toMatchObject({ result: [{ directory: `${MOUNTS}/whole` }] });
    expect((await read('whole', 'words')).stdout.toString()).toBe(WORDS);
    const [name = ''] = await mappings();
    const table = await vm().mustRun(['dmsetup', 'table', name]);
    expect(table).toMatch(new RegExp(`^0 ${tree.hashOffset / 512} verity 1 .* sha256 ${tree.rootHash} -$`, 'm'));
    // Mounting again at another mount point uses the same mapping.
    await mount('whole', tree);
    await mount('whole', tree, `${MOUNTS}-other`);
    expect(await mappings()).toEqual([name]);
    await sweep('whole', `${MOUNTS}-other`);
    expect((await read('whole', 'words')).stdout.toString()).toBe(WORDS);
    expect(await sweep('whole')).toMatchObject({ result: { unmounted: ['whole'] } });
    expect(await mappings()).toEqual([]);
    expect(await loops()).toBe('');
  });

  it('is refused under another root, and leaves nothing', async () => {
    const tree = await writeImage('other-root');
    const { error } = await mount('other-root', { ...tree, rootHash: '0'.repeat(64) });
    expect(error?.code).toBe('SNAPSHOT_MOUNT_FAILED');
    expect([await mappings(), await loops()]).toEqual([[], '']);
    expect((await vm().run(['test', '-e', `${MOUNTS}/other-root`])).code).toBe(1);
  });

  it('gives an I/O error, and never other bytes, for what the host has changed on the disk', async () => {
    const tree = await writeImage('tampered');
    await vm().dropCaches();
    await mount('tampered', tree);
    expect((await read('tampered', 'large')).code).toBe(0);
    const { image } = await vm().disk('plain');
    const changed = await image.find(Buffer.from(`${WORDS} ${WORDS} ${WORDS} `));
    if (changed === undefined) throw new Error('the content is not on the disk');
    const before = await vm().mustRun(['sha256sum', `${MOUNTS}/tampered/large`]);
    // Changes every copy of the words that images left on this disk, so that the right one is among them.
    for (const extent of await image.listExtents()) {
      for (let at = extent.start; at < extent.start + extent.length; at += 4096) {
        if (image.read(at, WORDS.length).toString() === WORDS || image.read(at, 4096).includes(WORDS)) {
          image.flipBit(at + 100);
        }
      }
    }
    await vm().dropCaches();
    const broken = await read('tampered', 'large');
    expect(broken.code).not.toBe(0);
    expect(broken.stderr).toContain('Input/output error');
    expect(vm().serial() + (await vm().mustRun(['dmesg']))).toMatch(
      /device-mapper: verity: .* data block \d+ is corrupted/,
    );
    // Positive control: without the tree the host's bytes are what is read.
    await sweep('tampered');
    await perform('mountLayerImages', {
      mountsDir: MOUNTS,
      images: [
        {
          image: `${IMAGES}/tampered.erofs`,
          imageBytes: tree.hashOffset,
          tree: undefined,
          key: 'tampered',
        },
      ],
    });
    const after = await vm().mustRun(['sha256sum', `${MOUNTS}/tampered/large`]);
    expect(after.split(' ')[0]).not.toBe(before.split(' ')[0]);
    await sweep('tampered');
    expect([await mappings(), await loops()]).toEqual([[], '']);
  });
});
