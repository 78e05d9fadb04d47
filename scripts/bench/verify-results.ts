import { lstatSync, readdirSync } from 'node:fs';
import type { TreeSize } from './images.ts';

const SLASH = Buffer.from('/');

/** Checks that all files of the image exist with their sizes, so that no contender gains by leaving work out. */
export function verifyResults(folders: readonly string[] | undefined, expected: TreeSize): void {
  if (folders === undefined) return;
  const found = folders.map((folder) => sizeOfTree(Buffer.from(folder)));
  const files = found.reduce((sum, tree) => sum + tree.files, 0);
  const bytes = found.reduce((sum, tree) => sum + tree.bytes, 0);
  if (files !== expected.files || bytes !== expected.bytes) {
    throw new Error(
      `expected ${expected.files} files with ${expected.bytes} bytes, found ${files} with ${bytes} in ${folders.join(' ')}`,
    );
  }
}

/** Names are bytes, so paths stay buffers. */
function sizeOfTree(folder: Buffer): TreeSize {
  let [files, bytes] = [0, 0];
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([folder, SLASH, entry.name]);
    if (entry.isFile()) {
      files += 1;
      bytes += lstatSync(path).size;
    } else if (entry.isDirectory()) {
      const below = sizeOfTree(path);
      files += below.files;
      bytes += below.bytes;
    }
  }
  return { files, bytes };
}
