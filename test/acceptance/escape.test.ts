import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildImage, buildLayer } from '../support/builders/image-builder.ts';
import {
  dir,
  file,
  hardlink,
  opaque,
  paxHeader,
  rawHeader,
  symlink,
  type TarMember,
  tar,
} from '../support/builders/tar-builder.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';

type Layer = readonly (TarMember | Uint8Array)[];

interface Attack {
  readonly name: string;
  /** `out` is the absolute path of a directory of the host; layers are bottom first. */
  readonly layers: (out: string) => readonly Layer[];
  readonly config?: Readonly<Record<string, unknown>>;
}

const UP = '../'.repeat(30);
const evil = (name: string): TarMember => file(name, 'planted', { mode: 0o777 });

/** A member whose name stands in a header as it is, without the builder's help. */
const raw = (name: string, type: string, linkname = ''): Buffer => rawHeader({ name, type, linkname, mode: 0o777 });

const ROOT_NAMES = ['.', '/', './', './/', '..', '../', '', 'x/..', 'x/../..'];

const ATTACKS: readonly Attack[] = [
  ...ROOT_NAMES.flatMap((name) => [
    { name: `the root as a symlink: "${name}"`, layers: (out: string) => [[raw(name, '2', out), evil('planted')]] },
    { name: `the root as a file: "${name}"`, layers: () => [[raw(name, '0'), evil('planted')]] },
    { name: `the root as a hard link: "${name}"`, layers: (out: string) => [[raw(name, '1', `${out}/secret`)]] },
  ]),
  { name: 'a whiteout of the root', layers: () => [[dir('a')], [evil('.wh..'), evil('.wh...'), evil('.wh.')]] },
  { name: 'a whiteout of the parent', layers: () => [[dir('a')], [evil('a/.wh...'), evil('a/.wh.../x')]] },
  { name: 'a whiteout with a path', layers: (out) => [[dir('a')], [evil(`.wh.${UP}${out}/secret`)]] },
  { name: 'an absolute name', layers: (out) => [[evil(`${out}/planted`)]] },
  { name: 'a name with many slashes', layers: (out) => [[evil(`//${out}//planted`)]] },
  { name: 'a name that climbs', layers: (out) => [[evil(`${UP}${out}/planted`)]] },
  { name: 'a name that climbs in the middle', layers: (out) => [[dir('a'), evil(`a/${UP}${out}/planted`)]] },
  {
    name: 'a sibling that has the root as its prefix',
    layers: () => [[evil('../rootfs-evil/planted'), evil('../target-evil')]],
  },
  {
    name: 'backslashes and drives',
    layers: () => [[evil('..\\..\\planted'), evil('C:\\planted'), evil('C:../planted')]],
  },
  { name: 'a NUL in a PAX path', layers: (out) => [[paxHeader({ path: `a\0${UP}${out}/planted` }), raw('a', '0')]] },
  { name: 'a PAX path that climbs', layers: (out) => [[paxHeader({ path: `${UP}${out}/planted` }), raw('a', '0')]] },
  { name: 'a global PAX path', layers: (out) => [[paxHeader({ path: `${out}/planted` }, 'g'), raw('a', '0')]] },
  { name: 'a file through a symlink', layers: (out) => [[symlink('link', out), evil('link/planted')]] },
  {
    name: 'a file through a climbing symlink',
    layers: (out) => [[symlink('link', `${UP}${out}`), evil('link/planted')]],
  },
  { name: 'a file onto a symlink', layers: (out) => [[symlink('link', `${out}/secret`), evil('link')]] },
  {
    name: 'a directory onto a symlink',
    layers: (out) => [[symlink('link', out), dir('link', { mode: 0o777, uid: 99 }), evil('link/planted')]],
  },
  {
    name: 'a hard link with a mode onto a file outside',
    layers: (out) => [[hardlink('link', `${out}/secret`, { mode: 0o7777, uid: 99 })]],
  },
  { name: 'a hard link that climbs', layers: (out) => [[hardlink('link', `${UP}${out}/secret`), evil('link')]] },
  { name: 'a hard link from where the program runs', layers: () => [[hardlink('link', 'secret', { mode: 0o7777 })]] },
  {
    name: 'a hard link to a symlink',
    layers: (out) => [[symlink('a', `${out}/secret`), hardlink('b', 'a', { mode: 0o7777 }), evil('b')]],
  },
  {
    name: 'a hard link through a symlink',
    layers: (out) => [[symlink('a', out), hardlink('b', 'a/secret', { mode: 0o7777, uid: 99 })]],
  },
  {
    name: 'a chain of symlinks',
    layers: (out) => [
      [symlink('c', '/'), symlink('b', 'c'), symlink('a', `b${UP}`), evil(`a${out}/planted`), evil(`b${out}/planted`)],
    ],
  },
  {
    name: 'a symlink that turns up later',
    layers: (out) => [[dir('a'), file('a/x', 'mine'), symlink('a', out), evil('a/planted')]],
  },
  {
    name: 'a symlink in one layer, a file through it in the next',
    layers: (out) => [[symlink('link', out)], [evil('link/planted')]],
  },
  {
    name: 'the same over a climbing link',
    layers: (out) => [[symlink('link', `${UP}${out}`)], [evil('link/planted')]],
  },
  {
    name: 'a directory over a symlink of a lower layer',
    layers: (out) => [[symlink('link', out)], [dir('link', { mode: 0o777, uid: 99 })]],
  },
  {
    name: 'a hard link over a symlink of a lower layer',
    layers: (out) => [[symlink('link', out)], [hardlink('b', 'link/secret', { mode: 0o7777 })]],
  },
  {
    name: 'a hard link to an absolute name of a lower layer',
    layers: (out) => [[symlink('link', `${out}/secret`)], [hardlink('b', 'link'), evil('b')]],
  },
  { name: 'a whiteout through a symlink', layers: (out) => [[symlink('link', out)], [evil('link/.wh.secret')]] },
  { name: 'an opaque mark through a symlink', layers: (out) => [[symlink('link', out)], [opaque('link')]] },
  {
    name: 'a whiteout through a symlink of its own layer',
    layers: (out) => [[symlink('link', out), evil('link/.wh.secret')]],
  },
  {
    name: 'a device, a fifo and a link through a symlink',
    layers: (out) => [
      [
        symlink('l', out),
        raw('l/fifo', '6'),
        raw('l/dev', '3'),
        symlink('l/sym', '/etc/shadow'),
        hardlink('l/hard', 'l'),
      ],
    ],
  },
  {
    name: 'overlay marks of its own',
    layers: (out) => [
      [dir('a')],
      [
        dir('a', {
          xattrs: { 'trusted.overlay.redirect': out, 'trusted.overlay.opaque': 'y', 'user.overlay.redirect': out },
        }),
      ],
    ],
  },
  {
    name: 'mount points as symlinks',
    layers: (out) => [[...['proc', 'sys', 'dev', 'etc'].map((name) => symlink(name, out)), evil('etc/planted')]],
  },
  {
    name: 'a user database outside',
    layers: (out) => [[dir('etc'), symlink('etc/passwd', `${out}/passwd`), symlink('etc/group', `${UP}${out}/group`)]],
    config: { User: 'outsider' },
  },
];

describeWith(['root', 'docker-registry', 'getfattr'], 'a layer that tries to leave its root', () => {
  let bed: TestBed;
  let outside: string;
  let sentinels: Tree;

  beforeAll(async () => {
    bed = await TestBed.open();
    outside = bed.scratch.join('outside');
    mkdirSync(`${outside}/folder`, { recursive: true, mode: 0o700 });
    for (const name of ['secret', 'folder/inside', 'group'])
      writeFileSync(`${outside}/${name}`, 'sentinel', { mode: 0o600 });
    writeFileSync(`${outside}/passwd`, 'outsider:x:4242:4242::/:/bin/sh\n');
    sentinels = await readTree(outside);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  async function push({ layers, config = {} }: Attack): Promise<string> {
    const built = [];
    for (const members of layers(outside)) built.push(await buildLayer(tar(members), 'gzip', bed.scratch.path));
    const image = buildImage({ format: 'oci', layers: built, config });
    await bed.push('attack', 'latest', image);
    return `attack@${image.top.digest}`;
  }

  it.each(ATTACKS)('$name', async (attack) => {
    const name = await push(attack);
    const [store, bundle, target] = [bed.newPath('store'), bed.newPath('bundle'), bed.newPath('target')];
    // In the directory of the sentinels: relative names must not be looked up there.
    const options = { cwd: outside };
    const before = listTwoLevels(bed.scratch.path);
    const mounted = await bed.pull(name, ['--store', store, '--bundle', bundle], options);
    const unpacked = await bed.pull(name, ['--unpack', target], options);

    expect(compareTrees(await readTree(outside), sentinels)).toEqual([]);
    for (const answer of [mounted, unpacked]) expectConfined(answer);
    // Only a mount looks the user of the config up.
    if (attack.config === undefined) expect(mounted.error?.code, 'both ways judge alike').toBe(unpacked.error?.code);
    const own = [store, bundle, target].map((path) => relative(bed.scratch.path, path));
    const strays = listTwoLevels(bed.scratch.path).filter(
      (path) => !before.includes(path) && !own.includes(path.split('/')[0] ?? ''),
    );
    expect(strays).toEqual([]);
    if (mounted.error === undefined) await runSealift(['umount', bundle, '--store', store]);
    expect(mountsBelow(bundle)).toEqual([]);
  });

  it('is refused or confined for what it does: a layer that stays inside arrives', async () => {
    const name = await push({ name: 'honest', layers: () => [[dir('a'), symlink('b', 'a'), evil('b/planted')]] });
    const target = bed.newPath('target');
    expect((await bed.pull(name, ['--unpack', target])).error).toBeUndefined();
    expect([...(await readTree(target)).keys()].sort()).toEqual(['.', 'a', 'a/planted', 'b']);
  });

  /** A refusal has a reason that is the image's fault, never a bug of ours. */
  function expectConfined({ error }: SealiftResult): void {
    if (error !== undefined) expect(['corrupt', 'unsupported', 'missing'], error.message).toContain(error.kind);
  }
});

/** A name that climbs out of a bundle or a target lands here at the latest. */
function listTwoLevels(folder: string): string[] {
  return readdirNames(folder).flatMap((name) => [
    name,
    ...readdirNames(`${folder}/${name}`).map((each) => `${name}/${each}`),
  ]);
}

function readdirNames(folder: string): string[] {
  return statSync(folder).isDirectory() ? readdirSync(folder) : [];
}
