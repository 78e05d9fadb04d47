import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findIsal, type InflateChoice, isalCandidates } from '../../../src/layer/decompress/choose-inflate.ts';
import { type Patch, patchLibrary } from '../../support/inflate/patched-library.ts';
import { runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { IS_SOAK } from '../../support/soak.ts';

const FUZZ = new URL('../../support/inflate/fuzz-inflate.ts', import.meta.url).pathname;
const CASES = IS_SOAK ? 3_000 : 80;

function runFuzz(...parameters: string[]) {
  return runCommand(process.execPath, ['--disable-warning=ExperimentalWarning', FUZZ, ...parameters]);
}

describeWith(['libisal'], 'ISA-L and zlib', () => {
  it('give the same bytes or both refuse, and ISA-L touches no memory but its own', async () => {
    const seed = IS_SOAK ? Date.now() % 2 ** 32 : 14;
    const { code, stdout, stderr } = await runFuzz(String(seed), String(CASES));
    expect({ code, stderr, seed }).toEqual({ code: 0, stderr: '', seed });
    const outcomes: [string, number][] = JSON.parse(stdout.toString());
    expect(outcomes.length).toBeGreaterThan(10);
  });

  it.each(['read', 'write'])('would be seen to %s a byte too much', async (control) => {
    const { code } = await runFuzz('14', '80', control);
    // A process that a signal has ended has no exit code.
    expect(code).toBe(-1);
  });
});

/** `movb $1, 87400(%rdi); xor %eax, %eax; ret`: writes behind the state and inflates nothing. */
const WRITES_BEHIND = Buffer.from([0xc6, 0x87, 0x68, 0x55, 0x01, 0x00, 0x01, 0x31, 0xc0, 0xc3]);
/** `xor %eax, %eax; ret` */
const DOES_NOTHING = Buffer.from([0x31, 0xc0, 0xc3]);
/** The offsets of block_state and of the bytes behind the last field that is initialised. */
const BLOCK_STATE = Buffer.from([0xa8, 0x52, 0x00, 0x00]);
const BEHIND_FIELDS = Buffer.from([0xe0, 0x52, 0x00, 0x00]);

describeWith(['libisal'], 'findIsal', () => {
  let scratch: Scratch;
  const source = isalCandidates().find((path) => existsSync(path)) ?? '';

  beforeEach(() => {
    scratch = new Scratch('isal');
  });

  afterEach(() => scratch[Symbol.dispose]());

  function findPatched(patch: Pick<Patch, 'function' | 'change'>): InflateChoice {
    const target = scratch.join('libisal.so.2');
    patchLibrary({ source, target, ...patch });
    return findIsal([target]);
  }

  it('takes the first library that passes its test', () => {
    const other = scratch.join('libisal.so.2');
    symlinkSync(source, other);
    expect(findIsal([scratch.join('absent'), other, source])).toMatchObject({
      engine: 'isal',
      path: other,
    });
  });

  it('takes a copy that was not changed', () => {
    expect(findPatched({ function: 'isal_inflate', change: () => {} })).toMatchObject({ engine: 'isal' });
  });

  it('takes zlib where there is no library', () => {
    const path = scratch.join('libisal.so.2');
    expect(findIsal([path])).toEqual({ engine: 'zlib', reason: `there is no ${path}`, isRefused: false });
  });

  it('goes on to the next library when one is refused', () => {
    const path = scratch.join('libisal.so.2');
    writeFileSync(path, 'text');
    expect(findIsal([path, source])).toMatchObject({ engine: 'isal', path: source });
  });

  it.each<[string, string]>([
    ['a file that is no library', 'invalid ELF header'],
    ['a library without these functions', 'undefined symbol: isal_inflate'],
  ])('refuses %s', (what, words) => {
    const path = scratch.join('libisal.so.2');
    if (what === 'a file that is no library') writeFileSync(path, 'x'.repeat(1_000));
    else symlinkSync('/lib/x86_64-linux-gnu/libm.so.6', path);
    const reason = expect.stringMatching(new RegExp(`^${path}: .*${words}`));
    expect(findIsal([path])).toEqual({ engine: 'zlib', reason, isRefused: true });
  });

  it('refuses a version with other fields', () => {
    const choice = findPatched({
      function: 'isal_inflate_init',
      change: (code) => void BEHIND_FIELDS.copy(code, code.indexOf(BLOCK_STATE)),
    });
    expect(choice).toMatchObject({
      engine: 'zlib',
      reason: expect.stringContaining('another layout'),
      isRefused: true,
    });
  });

  it('refuses a version whose state is larger', () => {
    const choice = findPatched({ function: 'isal_inflate', change: (code) => void WRITES_BEHIND.copy(code) });
    expect(choice).toMatchObject({
      engine: 'zlib',
      reason: expect.stringContaining('state is larger'),
      isRefused: true,
    });
  });

  it('refuses a library that does not inflate', () => {
    const choice = findPatched({ function: 'isal_inflate', change: (code) => void DOES_NOTHING.copy(code) });
    expect(choice).toMatchObject({
      engine: 'zlib',
      reason: expect.stringContaining('does not inflate as expected'),
      isRefused: true,
    });
  });
});

it('libraries are looked for beside Node and in the folders of the system, and nowhere else', () => {
  const candidates = isalCandidates();
  expect(candidates[0]).toBe(`${process.execPath.replace(/\/[^/]+$/, '')}/libisal.so.2`);
  expect(candidates.slice(1)).toEqual([
    '/usr/lib/x86_64-linux-gnu/libisal.so.2',
    '/usr/lib64/libisal.so.2',
    '/usr/lib/libisal.so.2',
  ]);
});
