import { readFileSync } from 'node:fs';
import { isInMemory } from './in-memory.ts';
import { findBytes } from './memory-info.ts';
import { pageOut } from './syscalls.ts';

/** Part of a file that is mapped into this process. */
export interface CodeMapping {
  readonly path: string;
  readonly address: bigint;
  readonly bytes: bigint;
  readonly residentBytes: number;
}

export interface PageOutResult {
  /** Bytes that were in memory of the mappings that the kernel was asked to page out. */
  readonly askedBytes: number;
  /** One error for each mapping that the kernel refused to page out. */
  readonly failures: readonly unknown[];
}

/**
 * Gives pages of the binary and its libraries back to the kernel, which reads them from their files again when they are
 * used. Pages that another process has mapped as well stay. Files that lie in memory are left out, because their pages
 * cannot be given back.
 */
export function pageOutCode(): PageOutResult {
  const failures: unknown[] = [];
  let askedBytes = 0;
  for (const mapping of listCodeMappings(readFileSync('/proc/self/smaps', 'latin1'))) {
    try {
      if (isInMemory(mapping.path)) continue;
      pageOut(mapping.address, mapping.bytes);
      askedBytes += mapping.residentBytes;
    } catch (error) {
      failures.push(error);
    }
  }
  return { askedBytes, failures };
}

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [0-9a-f]+ [0-9a-f:]+ [0-9]+ +(\/.*)$/;

/**
 * Returns the mappings of files in a text of https://docs.kernel.org/filesystems/proc.html (smaps) that cannot be written
 * and have no anonymous page: a page that was written once is no longer a page of the file.
 */
export function listCodeMappings(smaps: string): CodeMapping[] {
  return smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/).flatMap((text) => {
    const [, start, end, path] = HEADER.exec(text.slice(0, text.indexOf('\n'))) ?? [];
    if (start === undefined || end === undefined || path === undefined) return [];
    const residentBytes = findBytes(text, 'Rss') ?? 0;
    if (path.endsWith(' (deleted)') || residentBytes === 0 || findBytes(text, 'Anonymous') !== 0) return [];
    const address = BigInt(`0x${start}`);
    return [{ path, address, bytes: BigInt(`0x${end}`) - address, residentBytes }];
  });
}
