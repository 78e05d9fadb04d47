import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asSealiftError } from '../../errors/index.ts';
import { type InflateLibrary, openInflateLibrary } from '../../platform/index.ts';
import { testIsal } from './test-isal.ts';

/** `auto`: ISA-L if a usable libisal is there, else zlib. */
export type InflateMode = 'auto' | 'zlib';

/** What inflates gzip: the library, or why it is not used. */
export type InflateChoice =
  | { readonly engine: 'isal'; readonly path: string; readonly library: InflateLibrary }
  | {
      readonly engine: 'zlib';
      readonly reason: string;
      /** True: there is a libisal, and it was not accepted. */
      readonly isRefused: boolean;
    };

/** The version of the interface is in the name. */
const LIBRARY_NAME = 'libisal.so.2';

/** Where distributions for x86-64 have libraries: Debian and Ubuntu, Fedora, others. */
const SYSTEM_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'];

/**
 * The libraries that are tried, in this order: one beside the Node that runs, and those of the system. A guest measures
 * both as it measures Node itself. No setting, variable or current directory adds another path.
 */
export function isalCandidates(): readonly string[] {
  return [dirname(process.execPath), ...SYSTEM_FOLDERS].map((folder) => join(folder, LIBRARY_NAME));
}

let chosen: InflateChoice | undefined;

/** Returns what this thread inflates gzip with. The first call in a thread loads and tests the library. */
export function chooseInflate(mode: InflateMode): InflateChoice {
  if (mode === 'zlib') return { engine: 'zlib', reason: 'the setting pull.inflate says so', isRefused: false };
  chosen ??= process.arch === 'x64' ? findIsal(isalCandidates()) : otherArchitecture();
  return chosen;
}

/** On arm64 versions before 2.32 inflate some valid streams wrongly: https://github.com/intel/isa-l/issues/316 */
function otherArchitecture(): InflateChoice {
  return { engine: 'zlib', reason: `libisal is used on x86-64 only, and this is ${process.arch}`, isRefused: false };
}

/** Returns the first library that passes its test, or why none does. */
export function findIsal(candidates: readonly string[]): InflateChoice {
  const refusals: string[] = [];
  for (const path of candidates.filter((candidate) => existsSync(candidate))) {
    const tried = tryLibrary(path);
    if ('library' in tried) return { engine: 'isal', path, library: tried.library };
    refusals.push(`${path}: ${tried.problem}`);
  }
  if (refusals.length > 0) return { engine: 'zlib', reason: refusals.join('; '), isRefused: true };
  return { engine: 'zlib', reason: `there is no ${candidates.join(', ')}`, isRefused: false };
}

function tryLibrary(path: string): { readonly library: InflateLibrary } | { readonly problem: string } {
  try {
    const library = openInflateLibrary(path);
    const problem = testIsal(library);
    return problem === undefined ? { library } : { problem };
  } catch (error) {
    // Whatever is wrong with the file, zlib does the same work.
    return { problem: asSealiftError(error).message };
  }
}
