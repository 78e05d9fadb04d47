import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Script } from 'node:vm';
import { type CodeCache, openCodeCache } from './code-cache.ts';

type Exports = Readonly<Record<string, unknown>>;

/** What `scripts/chunk-scripts.ts` makes of an ES module: a function whose parameters are what only a module has. */
type Chunk = (
  load: (name: string) => Exports,
  loadLater: (name: string) => Promise<Exports>,
  require: (name: string) => unknown,
  url: string,
) => Exports;

export interface Program {
  /** The folder of the chunks and of their code cache. */
  readonly folder: string;
  readonly name: string;
  /** What `import.meta.url` is in the chunks. */
  readonly url: string;
}

/** Runs a program by loading its first chunk. Each further one is loaded once, when another needs it. */
export function runProgram({ folder, name: program, url }: Program): void {
  const cache = openCodeCache(join(folder, `${program}.cache`));
  const loaded = new Map<string, Exports>();
  const load = (name: string): Exports => {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const chunk: Chunk = compileChunk(join(folder, name), cache).runInThisContext();
    const exports = chunk(load, loadLater, requireBuiltin, url);
    loaded.set(name, exports);
    return exports;
  };
  // A package that is shipped as its authors publish it is a module.
  const loadLater = async (name: string): Promise<Exports> =>
    name.endsWith('.mjs') ? import(join(folder, name)) : load(name);
  load(`${program}.js`);
}

/** Compiles a chunk, or takes its bytecode from the cache if that was made of the same source by the same V8. */
export function compileChunk(path: string, cache: CodeCache | undefined): Script {
  const source = readFileSync(path);
  const cachedData = cache?.find(basename(path), source);
  // Chunks are ASCII.
  const text = source.toString('latin1');
  return new Script(text, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
}

/** Bundled packages in CommonJS require modules of Node only. */
function requireBuiltin(name: string): unknown {
  return process.getBuiltinModule(name);
}
