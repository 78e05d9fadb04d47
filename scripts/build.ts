import { fileURLToPath } from 'node:url';
import { buildProgram } from './build-program.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
await buildProgram(root, `${root}/dist`);
