import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { dir, file, hardlink, type TarMember } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { IS_SOAK } from '../../support/soak.ts';

const isRoot = process.geteuid?.() === 0;
const WITHOUT_ROOT = isRoot ? '' : ' (skipped: needs root for a store and for mounts)';
const [PULLS, IMAGES] = IS_SOAK ? [500, 20] : [12, 4];

const commands = composeTestCli();
const io = { signal: new AbortController().signal, onProgress: () => {} };

/** A deterministic generator, so that a failure can be repeated. */
function choices(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe.skipIf(!isRoot)(`pulling and removing${WITHOUT_ROOT}`, () => {
  let bed: PullBed;
  let settings: Readonly<Record<string, string | number>>;

  beforeAll(async () => {
    bed = await PullBed.open();
    await mustRun('mkdir', [bed.path('disk')]);
    // A file system of its own, so that its free bytes are ours alone.
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', bed.path('disk')]);
    settings = { 'store.data': bed.path('disk/data'), 'store.state': bed.path('disk/state') };
  });

  afterAll(async () => {
    await unmountBelow(bed.directory);
    await bed.close();
  });

  const common = () => ({ settings, configFile: undefined, debug: false, ofDaemon: false });
  const prune = () => commands.prune({ all: true, ...common() }, io);

  function left() {
    const { bavail, bsize } = statfsSync(bed.path('disk'));
    const files = readdirSync(bed.path('disk'), { recursive: true, encoding: 'utf8' });
    return {
      freeBytes: bavail * bsize,
      files: files.sort(),
      mounts: mountsBelow(bed.directory),
      loops: loopsBelow(bed.directory),
      descriptors: readdirSync('/proc/self/fd').length,
    };
  }

  it(`leaves nothing after ${PULLS} pulls of ${IMAGES} images with removals between`, async () => {
    const tags = Array.from({ length: IMAGES }, (_, index) => `image-${index}`);
    for (const [index, tag] of tags.entries()) bed.serveImage(layersOf(index), { tag });
    const bundles = new Map<string, string>();
    const pick = choices(7);
    const umount = async (bundle: string) => {
      bundles.delete(bundle);
      await commands.umount({ directory: bed.path(bundle), ...common() }, io);
    };
    /** Removes the image that was pulled last, unless it is mounted. */
    const removeUnless = async (mounted: readonly string[]) => {
      const [last] = (await commands.images(common(), io)).images;
      const isMounted = mounted.some((tag) => last?.names.includes(bed.reference(tag)));
      if (last !== undefined && !isMounted) await commands.rm({ targets: last.names, ...common() }, io);
    };
    const round = async () => {
      const tag = tags[pick(tags.length)] ?? '';
      const bundle = `bundle-${pick(3)}`;
      if (bundles.has(bundle)) await umount(bundle);
      const target = pick(2) === 0 ? undefined : ({ kind: 'bundle', directory: bed.path(bundle) } as const);
      await bed.pull(tag, target, { settings: { 'store.root': undefined as never, ...settings } });
      if (target !== undefined) bundles.set(bundle, tag);
      if (pick(3) === 0) await prune();
      if (pick(3) === 0) await removeUnless([...bundles.values()]);
    };
    const clear = async () => {
      for (const bundle of [...bundles.keys()]) await umount(bundle);
      await prune();
    };
    // What the first pull loads only once is no leak.
    await round();
    await clear();
    const before = left();
    for (let pull = 0; pull < PULLS; pull += 1) await round();
    await clear();
    const after = left();
    expect({ ...after, descriptors: 0 }).toEqual({ ...before, descriptors: 0 });
    // Connections to the registry come and go in this process.
    expect(after.descriptors - before.descriptors).toBeLessThan(10);
  });
});

/** The layers of an image: shared ones, one of its own, and some that need the layers below. */
function layersOf(index: number): TarMember[][] {
  const shared = `shared-${index % 3}`;
  return [
    [dir('./'), file(shared, shared.repeat(10_000))],
    [file(`own-${index}`, String(index).repeat(20_000))],
    index % 2 === 0 ? [hardlink('also', shared)] : [file('plain', 'plain')],
  ];
}

/** Files below `folder` that loop devices have open. */
function loopsBelow(folder: string): string[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .map(backingFile)
    .filter((path) => path.startsWith(`${folder}/`));
}

function backingFile(loop: string): string {
  try {
    return readFileSync(`/sys/block/${loop}/loop/backing_file`, 'utf8').trim();
  } catch {
    // Not attached to a file, or no longer.
    return '';
  }
}
