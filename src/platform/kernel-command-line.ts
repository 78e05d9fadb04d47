import { readFileSync } from 'node:fs';

/** Returns the text of /proc/cmdline, which the host may have chosen (attacker-controlled). */
export function readKernelCommandLine(): string {
  return readFileSync('/proc/cmdline').toString('utf8');
}
