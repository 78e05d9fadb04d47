import { join } from 'node:path';
import { openCodeCache } from '../../../src/bin/code-cache.ts';
import { compileChunk } from '../../../src/bin/load-chunks.ts';

/** Prints what V8 made of the bytecode of a chunk, and the value that the chunk exports. */
const [folder = '', name = ''] = process.argv.slice(2);
const script = compileChunk(join(folder, `${name}.js`), openCodeCache(join(folder, `${name}.cache`)));
const { value } = script.runInThisContext()();
process.stdout.write(JSON.stringify({ isRefused: script.cachedDataRejected ?? 'none offered', value }));
