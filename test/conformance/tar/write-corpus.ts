import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CORPUS } from './corpus.ts';

/** `node test/conformance/tar/write-corpus.ts DIR` writes every archive to DIR/<name>.tar, for an oracle to list. */
const [directory = 'tar-corpus'] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
for (const [name, archive] of Object.entries(CORPUS)) writeFileSync(join(directory, `${name}.tar`), archive);
