import { readdirSync, readFileSync } from 'node:fs';

/** Loop devices whose backing file lies, or lay, below `folder`: name to path, as the kernel reports it. */
export function loopsBelow(folder: string): ReadonlyMap<string, string> {
  return new Map(
    readdirSync('/sys/block')
      .filter((name) => name.startsWith('loop'))
      .map((name) => [name, backingFile(name)] as const)
      .filter(([, path]) => path.startsWith(`${folder}/`)),
  );
}

function backingFile(name: string): string {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
  } catch {
    // The device is free, or was removed in the meantime.
    return '';
  }
}
