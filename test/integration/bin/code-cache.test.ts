import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { NODE_FLAGS } from '../../../scripts/build-launcher.ts';
import { makeCodeCache } from '../../../scripts/build-program.ts';
import { formatChunkScript } from '../../../scripts/chunk-scripts.ts';
import { openCodeCache } from '../../../src/bin/code-cache.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const ENTRY = fileURLToPath(new URL('../../support/entries/chunk-entry.ts', import.meta.url));
const scratch = new Scratch('code-cache');
const folder = scratch.join('lib');
const chunk = join(folder, 'probe.js');
const cache = join(folder, 'probe.cache');

afterAll(() => scratch[Symbol.dispose]());

/** Sources of one length, which is all that V8 compares. */
const source = (value: number) => formatChunkScript(`var add=(a,b)=>a+b,value=add(${value},1);export{value};`);

beforeEach(() => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(chunk, source(1));
  makeCodeCache(process.execPath, cache, [chunk]);
});

function run(flags: readonly string[] = NODE_FLAGS) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, ENTRY, folder, 'probe'], {
    env: {},
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

function dataOf(path: string): Buffer {
  const data = openCodeCache(path)?.find('probe.js', readFileSync(chunk));
  if (data === undefined) throw new Error(`${path} has no bytecode of the probe`);
  return data;
}

describe('the code cache of a program', () => {
  it('is accepted by V8 for the source of which it was made, at any path', () => {
    expect(run()).toEqual({ isRefused: false, value: 2 });
  });

  it('has the same bytes each time', () => {
    const first = readFileSync(cache);
    const elsewhere = scratch.join('elsewhere.cache');
    makeCodeCache(process.execPath, elsewhere, [chunk]);
    expect(readFileSync(elsewhere).equals(first)).toBe(true);
  });

  it('is not offered to V8 for a changed source, and the new source runs', () => {
    const changed = source(8);
    expect(changed.length).toBe(source(1).length);
    writeFileSync(chunk, changed);
    expect(run()).toEqual({ isRefused: 'none offered', value: 9 });
  });

  it('would run the old source in place of a changed one if only V8 compared them', () => {
    // This process has other flags than the launcher's, so the control makes the bytecode itself.
    const cachedData = new Script(source(1), { filename: 'probe.js' }).createCachedData();
    const script = new Script(source(8), { filename: 'probe.js', cachedData });
    expect(script.cachedDataRejected).toBe(false);
  });

  it.each([
    ['absent', () => rmSync(cache)],
    ['empty', () => writeFileSync(cache, '')],
    ['cut in its index', () => writeFileSync(cache, readFileSync(cache).subarray(0, 40))],
    ['cut in its data', () => writeFileSync(cache, readFileSync(cache).subarray(0, -1))],
    ['of zeros', () => writeFileSync(cache, Buffer.alloc(readFileSync(cache).length))],
    ['of ones', () => writeFileSync(cache, Buffer.alloc(readFileSync(cache).length, 0xff))],
  ])('is left out when it is %s', (_, damage) => {
    damage();
    expect(run()).toEqual({ isRefused: 'none offered', value: 2 });
    rmSync(cache, { recursive: true, force: true });
  });

  it('is left out when any of its bytes is another', () => {
    const whole = readFileSync(cache);
    const first = dataOf(cache);
    for (let offset = 0; offset < whole.length; offset += 1) {
      const damaged = Buffer.from(whole);
      damaged[offset] = (whole[offset] ?? 0) ^ 0x10;
      writeFileSync(cache, damaged);
      expect(openCodeCache(cache)?.find('probe.js', readFileSync(chunk)), `byte ${offset}`).toBeUndefined();
    }
    writeFileSync(cache, whole);
    expect(dataOf(cache).equals(first)).toBe(true);
  });

  it('is refused by V8 under other flags, and the source runs', () => {
    expect(run(['--disable-warning=ExperimentalWarning', '--no-opt'])).toEqual({ isRefused: true, value: 2 });
  });
});

describe('a chunk', () => {
  it('imports, exports and imports later as the module did', () => {
    const script = formatChunkScript(
      `#!/usr/bin/env node\nimport{a,b as c}from"./x.js";import"./y.js";var d=()=>import("./z.js"),e=a+c;export{d,e as f};export default e;\n`,
    );
    const loads: string[] = [];
    const load = (name: string) => {
      loads.push(name);
      return { a: 1, b: 2 };
    };
    const exports = new Script(script).runInThisContext()(load, async (name: string) => `later ${name}`);
    expect(loads).toEqual(['x.js', 'y.js']);
    expect(exports).toMatchObject({ f: 3, default: 3 });
    return expect(exports.d()).resolves.toBe('later z.js');
  });

  it.each([
    'var a;function set(){a=1}export{a,set};',
    'let a=0;function next(){return a++}export{a,next};',
    'let a=0;var next=()=>{++a};export{a,next};',
    'let a=0;function next(){a??=4}export{a,next};',
  ])('cannot export what changes later: %s', (module) => {
    expect(() => formatChunkScript(module)).toThrow(/no assignment to the export a/);
  });

  it('may export what is set once', () => {
    const exports = 'export{a,b,c};';
    expect(formatChunkScript(`var a=1,b=class{};b.a=2;function c(a2=a){return{a:a2}}${exports}`)).toContain('a:a');
  });

  it('is ASCII', () => {
    expect(() => formatChunkScript('var a="ä";export{a};')).toThrow(/ASCII/);
  });
});
