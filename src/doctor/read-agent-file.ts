import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { attempt } from '../platform/index.ts';

const MAX_BYTES = 64 * 1024;

/** See {@link DoctorOperations.readAgentFile}. The path is the host's choice (attacker-controlled). */
export function readAgentFile({ path }: { readonly path: string }): string | undefined {
  return readPlainFile(path);
}

/** Reads a plain file, and no more than 64 KiB of it; undefined: there is no such file. */
export function readPlainFile(path: string): string | undefined {
  const fd = attempt(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)).value;
  if (fd === undefined) return undefined;
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const bytes = Buffer.alloc(MAX_BYTES);
    return attempt(() => bytes.toString('utf8', 0, readSync(fd, bytes, 0, MAX_BYTES, 0))).value;
  } finally {
    closeSync(fd);
  }
}
