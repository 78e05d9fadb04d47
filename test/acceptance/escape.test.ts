import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Attack, evil, MECHANISMS, type Mechanism } from '../support/attacks/attack.ts';
import { ATTACKS } from '../support/attacks/attacks.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { dir, symlink, tar } from '../support/builders/tar-builder.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../support/oracles/tree.ts';
import { runSealift, type SealiftResult } from '../support/programs/sealift-command.ts';
import { IS_SOAK } from '../support/soak.ts';

/**
 * test/security/escape tries all attacks on the writers. Here the program meets one of each mechanism in the short run.
 */
const ROWS = IS_SOAK ? ATTACKS : MECHANISMS.flatMap(sampleOf);

/** Returns a confined attack of this mechanism if there is one, because it goes all the way to the mount. */
function sampleOf(mechanism: Mechanism): readonly Attack[] {
  const all = ATTACKS.filter((attack) => attack.mechanism === mechanism);
  return all.toSorted((a, b) => Number('confined' in b.verdict) - Number('confined' in a.verdict)).slice(0, 1);
}

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

  async function push({ layers, config = {} }: Pick<Attack, 'layers' | 'config'>): Promise<string> {
    const built = [];
    for (const members of layers(outside)) built.push(await buildLayer(tar(members), 'gzip', bed.scratch.path));
    const image = buildImage({ format: 'oci', layers: built, config });
    await bed.push('attack', 'latest', image);
    return `attack@${image.top.digest}`;
  }

  it.each(ROWS)('$mechanism: $name', async (attack) => {
    const name = await push(attack);
    const [store, bundle, target] = [bed.newPath('store'), bed.newPath('bundle'), bed.newPath('target')];
    // Runs in the directory of the sentinels: relative names must not be looked up there.
    const options = { cwd: outside };
    const before = listTwoLevels(bed.scratch.path);
    const mounted = await bed.pull(name, ['--store', store, '--bundle', bundle], options);
    const unpacked = await bed.pull(name, ['--unpack', target], options);

    expect(compareTrees(await readTree(outside), sentinels)).toEqual([]);
    for (const answer of [mounted, unpacked]) expectConfined(answer);
    expect(unpacked.error?.code, unpacked.error?.message).toBe(expectedCode(attack));
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
    const name = await push({ layers: () => [[dir('a'), symlink('b', 'a'), evil('b/planted')]] });
    const target = bed.newPath('target');
    expect((await bed.pull(name, ['--unpack', target])).error).toBeUndefined();
    expect([...(await readTree(target)).keys()].sort()).toEqual(['.', 'a', 'a/planted', 'b']);
  });

  /** A refusal has a reason that is the image's fault, never a bug of ours. */
  function expectConfined({ error }: SealiftResult): void {
    if (error !== undefined) expect(['corrupt', 'unsupported', 'missing'], error.message).toContain(error.kind);
  }
});

function expectedCode({ verdict }: Attack): string | undefined {
  return 'confined' in verdict ? undefined : verdict.refused;
}

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
