import { readFileSync } from 'node:fs';

/** Returns an id that is another one after each boot. https://man7.org/linux/man-pages/man4/random.4.html */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id').toString('utf8').trim();
}
