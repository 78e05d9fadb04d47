import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** What a reader needs to compare with another machine. */
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
    // x86 and arm64 say it in other words.
    hasShaInstructions: /^(flags|Features)\s*:.*\b(sha_ni|sha2)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
}

/** Type of the file system that `folder` lies on, as the kernel names it. */
export function fileSystemOf(folder: string): string {
  let [found, longest] = ['unknown', -1];
  for (const line of readFileSync('/proc/self/mounts', 'latin1').trim().split('\n')) {
    const [, mountPoint = '', type = ''] = line.split(' ');
    const isAbove = mountPoint === '/' || folder === mountPoint || folder.startsWith(`${mountPoint}/`);
    if (isAbove && mountPoint.length >= longest) [found, longest] = [type, mountPoint.length];
  }
  return found;
}
