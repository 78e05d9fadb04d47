import { closeSync, openSync, readSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';

const PASSPHRASE_BYTES = 64;

/**
 * Reads a passphrase from the kernel's random number generator, https://man7.org/linux/man-pages/man4/random.4.html.
 * The caller overwrites it with zeros after use.
 */
export function createPassphrase(): Buffer {
  const passphrase = Buffer.alloc(PASSPHRASE_BYTES);
  const fd = openSync('/dev/random', 'r');
  try {
    for (let filled = 0; filled < PASSPHRASE_BYTES; ) {
      const count = readSync(fd, passphrase, filled, PASSPHRASE_BYTES - filled, null);
      if (count === 0)
        throw new SealiftError('INTERNAL', `/dev/random: expected ${PASSPHRASE_BYTES} bytes, got ${filled}`);
      filled += count;
    }
    return passphrase;
  } finally {
    closeSync(fd);
  }
}
