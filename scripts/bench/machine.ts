import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** Facts that a reader needs to compare the figures with those of another machine. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly hasShaInstructions: boolean;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    // x86 and arm64 use different words for this.
    hasShaInstructions: /^(flags|Features)\s*:.*\b(sha_ni|sha2)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
}

/** Returns the kernel's name for the type of the file system that holds `folder`. */
export function fileSystemOf(folder: string): string {
  let [found, longest] = ['unknown', -1];
  for (const line of readFileSync('/proc/self/mounts', 'latin1').trim().split('\n')) {
    const [, mountPoint = '', type = ''] = line.split(' ');
    const isAbove = mountPoint === '/' || folder === mountPoint || folder.startsWith(`${mountPoint}/`);
    if (isAbove && mountPoint.length >= longest) [found, longest] = [type, mountPoint.length];
  }
  return found;
}
