import { fileURLToPath } from 'node:url';
import { buildProgram } from './build-program.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { lacksIsal } = await buildProgram(root, `${root}/dist`);
if (lacksIsal !== undefined) console.warn(`without libisal, which only makes pulls slower: ${lacksIsal}`);
