import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildProgram } from '../../scripts/build-program.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import { type BuiltImage, buildImage, buildLayer } from '../support/builders/image-builder.ts';
import { char, dir, file, hardlink, symlink, tar } from '../support/builders/tar-builder.ts';
import { IS_ROOT } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift, type SealiftOptions } from '../support/programs/sealift-command.ts';

const NOBODY = 65_534;

describeWith(['docker-registry'], 'without root', () => {
  let bed: TestBed;
  let image: BuiltImage;
  let options: SealiftOptions;
  let home: string;

  beforeAll(async () => {
    bed = await TestBed.open();
    const members = [
      dir('./'),
      dir('etc', { uid: 1, gid: 2 }),
      file('etc/greeting', 'ahoy\n', { mode: 0o640, uid: 1, gid: 2 }),
      symlink('etc/link', 'greeting'),
      hardlink('etc/again', 'etc/greeting', { mode: 0o640, uid: 1, gid: 2 }),
      char('etc/null', 1, 3),
    ];
    image = buildImage({ format: 'oci', layers: [await buildLayer(tar(members), 'gzip', bed.scratch.path)] });
    await bed.push('plain', 'latest', image);
    home = bed.newPath('home');
    mkdirSync(home);
    chmodSync(home, 0o777);
    chmodSync(bed.scratch.path, 0o755);
    // The checkout may lie where only root can look.
    const program = bed.newPath('program');
    await buildProgram(fileURLToPath(new URL('../..', import.meta.url)), program);
    options = { program: `${program}/sealift`, cwd: home, ...(IS_ROOT ? { uid: NOBODY, gid: NOBODY } : {}) };
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  it('--unpack writes what it can and says what it left out', async () => {
    const target = `${home}/unpacked`;
    const answer = await bed.pull(`plain@${image.top.digest}`, ['--unpack', target], options);
    expect(answer.error).toBeUndefined();
    expect(readFileSync(`${target}/etc/again`, 'utf8')).toBe('ahoy\n');
    expect(statSync(`${target}/etc/greeting`).mode & 0o7777).toBe(0o640);
    expect(`${answer.stdout}${answer.stderr}`).toContain('device');
  });

  it('inspect works', async () => {
    const reference = bed.reference('plain:latest');
    const answer = await runSealift(['inspect', reference, '--tls-verify=false'], options);
    expect(answer.error).toBeUndefined();
  });

  it('verify and policy check work, and write nothing', async () => {
    const policy = bed.newPath('policy.json');
    writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
    const reference = bed.reference('plain:latest');
    const { result } = await runSealift(['verify', '--policy', policy, reference, '--tls-verify=false'], options);
    expect(result).toMatchObject({ verdict: 'accepted', basis: 'policy' });
    const checked = await runSealift(['policy', 'check', policy, reference], options);
    expect(checked.result).toMatchObject({ findings: [{ check: 'portability' }, { check: 'default' }] });
    expect(readdirSync(home)).toEqual(['unpacked']);
  });

  it('a store is refused as unsupported, with the remedy', async () => {
    const answer = await bed.pull(`plain@${image.top.digest}`, ['--store', `${home}/store`], options);
    expect(answer.error?.code).toBe('PRIVILEGE_REQUIRED');
    expect(answer.code).toBe(5);
    expect(answer.error?.hint).toContain('--unpack');
  });
});
