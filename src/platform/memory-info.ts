import { readFileSync } from 'node:fs';

/** Reads a line such as `MemTotal: 1024 kB` of a text below /proc, in bytes; undefined when the line is absent. */
export function findBytes(text: string, name: string): number | undefined {
  const [, kilobytes] = new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/**
 * Reads a line of https://docs.kernel.org/filesystems/proc.html#meminfo, in bytes; undefined when the line is absent.
 */
export function readMemoryInfo(name: 'MemTotal' | 'MemAvailable'): number | undefined {
  return findBytes(readFileSync('/proc/meminfo', 'latin1'), name);
}

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
  const bytesOf = (name: string) => findBytes(status, name) ?? 0;
  return { rssBytes: bytesOf('VmRSS'), anonymousBytes: bytesOf('RssAnon'), fileBytes: bytesOf('RssFile') };
}
