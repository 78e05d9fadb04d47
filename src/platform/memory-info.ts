import { readFileSync } from 'node:fs';

/**
 * Reads a line of https://docs.kernel.org/filesystems/proc.html#meminfo, in bytes; undefined when the line is absent.
 */
export function readMemoryInfo(name: 'MemTotal' | 'MemAvailable'): number | undefined {
  const line = new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(readFileSync('/proc/meminfo', 'latin1'));
  const [, kilobytes] = line ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
