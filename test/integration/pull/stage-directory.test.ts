import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { stageDirectory } from '../../../src/pull/stage-directory.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const NOBODY = 65_534;
const STAGE_TREE = new URL('../../../src/pull/stage-directory.ts', import.meta.url).href;

/** Runs `body` with `tree` staged for `target`, as an ordinary user. */
function asNobody(target: string, body: string): { status: number | null; stderr: string } {
  const script = `
    import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
    import { stageDirectory } from ${JSON.stringify(STAGE_TREE)};
    const tree = stageDirectory(${JSON.stringify(target)});
    try { ${body} } finally { tree.discard(); }
  `;
  const options = { uid: NOBODY, gid: NOBODY, encoding: 'utf8' } as const;
  return spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    options,
  );
}

describeWith(['root'], 'stageDirectory', () => {
  it('takes over neither the group nor the setgid bit of the directory around it', () => {
    using scratch = new Scratch();
    const around = scratch.join('shared');
    mkdirSync(around);
    chownSync(around, 0, 1234);
    chmodSync(around, 0o2775);
    const tree = stageDirectory(`${around}/tree`);
    mkdirSync(`${tree.directory}/inside`, 0o755);
    tree.publish();
    tree.discard();
    for (const path of [`${around}/tree`, `${around}/tree/inside`]) {
      const { mode, gid } = lstatSync(path);
      expect({ mode: mode & 0o7777, gid }).toEqual({ mode: 0o755, gid: process.getegid?.() });
    }
    expect(readdirSync(around)).toEqual(['tree']);
  });

  it('publishes a root that its owner cannot write to, also without root', () => {
    using scratch = new Scratch();
    chownSync(scratch.path, NOBODY, NOBODY);
    const target = scratch.join('tree');
    expect(asNobody(target, 'chmodSync(tree.directory, 0o555); tree.publish();')).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(lstatSync(target).mode & 0o7777).toBe(0o555);
    expect(readdirSync(scratch.path)).toEqual(['tree']);
  });

  it('removes directories that their owner cannot write to, whatever their names', () => {
    using scratch = new Scratch();
    chownSync(scratch.path, NOBODY, NOBODY);
    const body = `
      const closed = Buffer.concat([Buffer.from(tree.directory + '/'), Buffer.from([0xff])]);
      mkdirSync(closed);
      writeFileSync(Buffer.concat([closed, Buffer.from('/file')]), '');
      chmodSync(closed, 0o500);
    `;
    expect(asNobody(scratch.join('tree'), body)).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it('leaves what has filled the target meanwhile', () => {
    using scratch = new Scratch();
    const tree = stageDirectory(scratch.join('tree'));
    mkdirSync(scratch.join('tree'));
    writeFileSync(scratch.join('tree', 'theirs'), '');
    expect(() => tree.publish()).toThrow(/absent or empty/);
    tree.discard();
    expect(existsSync(scratch.join('tree', 'theirs'))).toBe(true);
    expect(readdirSync(scratch.path)).toEqual(['tree']);
  });
});
