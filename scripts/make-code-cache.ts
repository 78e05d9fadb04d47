import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { openCodeCache } from '../src/bin/code-cache.ts';
import { compileChunk } from '../src/bin/load-chunks.ts';
import { type CachedChunk, formatCodeCache } from './format-code-cache.ts';

/**
 * The bytecode of all functions of a chunk. Nothing of the program runs, so the bytes depend only on the source, on V8
 * and on the random seed of its string hashes: the build starts this with a fixed one.
 */
function makeData(name: string, source: Buffer): Buffer {
  setFlagsFromString('--no-lazy');
  // A part of a longer string would bring the whole of it: the path of the build.
  const filename = Buffer.from(name).toString('latin1');
  const script = new Script(source.toString('latin1'), { filename });
  // V8 accepts bytecode only under the flags under which it was written.
  setFlagsFromString('--lazy');
  setFlagsFromString('--random-seed=0');
  return script.createCachedData();
}

function make(output: string, paths: readonly string[]): void {
  const chunks = paths.map((path): CachedChunk => {
    const [name, source] = [basename(path), readFileSync(path)];
    return { name, source, data: makeData(name, source) };
  });
  writeFileSync(output, formatCodeCache(chunks));
}

/** Fails the build where a program would compile its chunks after all. */
function check(output: string, paths: readonly string[]): void {
  const cache = openCodeCache(output);
  const refused = paths.filter((path) => compileChunk(path, cache).cachedDataRejected !== false);
  if (refused.length > 0) throw new Error(`${output}: expected V8 to accept the bytecode of ${refused.join(', ')}`);
}

const parameters = process.argv.slice(2);
const isCheck = parameters[0] === '--check';
const [output = '', ...paths] = isCheck ? parameters.slice(1) : parameters;
if (isCheck) check(output, paths);
else make(output, paths);
