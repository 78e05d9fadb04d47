import { beforeAll, describe, expect, it } from 'vitest';
import { SYNCHRONOUS_FOLDERS } from './import-rules.ts';
import { loadSources, type SourceFile } from './source-files.ts';

/** Functions of `node:fs` that work in the thread pool: all but those that end in Sync, constants and classes. */
const ASYNCHRONOUS_FS =
  /\b(?:access|appendFile|chmod|chown|close|copyFile|cp|createReadStream|createWriteStream|exists|fchmod|fchown|fdatasync|fstat|fsync|ftruncate|futimes|glob|lchown|link|lstat|lutimes|mkdir|mkdtemp|open|openAsBlob|opendir|read|readdir|readFile|readlink|readv|realpath|rename|rm|rmdir|stat|statfs|symlink|truncate|unlink|unwatchFile|utimes|watch|watchFile|write|writeFile|writev|promises)\b/;

let sources: SourceFile[];

beforeAll(async () => {
  const folders = await Promise.all(SYNCHRONOUS_FOLDERS.map(loadSources));
  sources = folders.flat();
});

/** What a file takes from `node:fs`: `{ a, b as c }`, `* as fs` or a default. */
function fsBindings(code: string): string[] {
  return [...code.matchAll(/import\s+([^;]*?)\s+from\s+'node:fs'/g)].map(([, bindings = '']) => bindings);
}

describe('rooms around the store', () => {
  it('never import node:fs/promises', () => {
    const complaints = sources.filter(({ imports }) =>
      imports.some(({ specifier }) => specifier === 'node:fs/promises'),
    );
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('take only synchronous functions from node:fs', () => {
    const complaints = sources.filter(({ code }) => fsBindings(code).some((each) => ASYNCHRONOUS_FS.test(each)));
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('name what they take, so that the rule above sees it', () => {
    const complaints = sources.filter(({ code }) => fsBindings(code).some((each) => !each.startsWith('{')));
    expect(complaints.map(({ path }) => path)).toEqual([]);
  });

  it('would notice an asynchronous function', () => {
    expect(ASYNCHRONOUS_FS.test('{ readFile, openSync }')).toBe(true);
    expect(ASYNCHRONOUS_FS.test('{ constants, openSync, readSync, type Stats, writevSync }')).toBe(false);
  });
});
