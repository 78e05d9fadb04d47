import { readFileSync } from 'node:fs';

/** Memory of this process that is in RAM, in bytes. */
export interface ResidentMemory {
  readonly rssBytes: number;
  /** What the kernel cannot drop without a swap device. */
  readonly anonymousBytes: number;
  /** Pages of files such as the binary, which the kernel can drop and read again. */
  readonly fileBytes: number;
}

/** Reads the lines of https://docs.kernel.org/filesystems/proc.html#id8 that tell what a process has in memory. */
export function readResidentMemory(): ResidentMemory {
  const status = readFileSync('/proc/self/status', 'latin1');
  const bytesOf = (name: string) => Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { rssBytes: bytesOf('VmRSS'), anonymousBytes: bytesOf('RssAnon'), fileBytes: bytesOf('RssFile') };
}
