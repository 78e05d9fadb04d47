import ffi from 'node:ffi';
import { closeSync, copyFileSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { isInMemory } from '../../../src/platform/index.ts';
import { listCodeMappings, pageOutCode } from '../../../src/platform/page-out-code.ts';
import { memoryFolder } from '../../support/machine/memory-folder.ts';
import { Scratch } from '../../support/machine/scratch.ts';

/** Returns the path of a small library that needs none but the C library. */
function mappedLibrary(): string {
  const files = listCodeMappings(readFileSync('/proc/self/smaps', 'latin1')).map(({ path }) => path);
  const found = files.find((path) => path.includes('/libm.so'));
  if (found === undefined) throw new Error('expected libm among the mapped files');
  return found;
}

function residentBytes(library: string): number {
  const mappings = listCodeMappings(readFileSync('/proc/self/smaps', 'latin1'));
  return mappings.filter(({ path }) => path === library).reduce((sum, each) => sum + each.residentBytes, 0);
}

/** Returns how much of a library in `folder`, which no other process has mapped, is in memory around a page-out. */
function pageOutLibraryIn(folder: string): { readonly before: number; readonly after: number } {
  using scratch = new Scratch('page-out', folder);
  const library = scratch.join('library.so');
  copyFileSync(mappedLibrary(), library);
  // Pages that are still to be written to the disk stay in memory.
  const fd = openSync(library, 'r+');
  fsyncSync(fd);
  closeSync(fd);
  using _ = ffi.dlopen(library, {}).lib;
  const before = residentBytes(library);
  expect(before).toBeGreaterThan(0);
  expect(pageOutCode().failures).toEqual([]);
  return { before, after: residentBytes(library) };
}

it.skipIf(isInMemory(tmpdir()))('drops code that lies on a disk', () => {
  expect(pageOutLibraryIn(tmpdir()).after).toBe(0);
});

it('leaves code alone that lies in memory', () => {
  const { before, after } = pageOutLibraryIn(memoryFolder());
  expect(after).toBe(before);
});
