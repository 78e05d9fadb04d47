import { runProgram } from './load-chunks.ts';

const { url, dirname, filename } = import.meta;

runProgram({ folder: dirname, name: filename.slice(dirname.length + 1, -'.mjs'.length), url });
