import { type FileHandle, open } from 'node:fs/promises';
import { cancellation, raceCancellation, SealiftError } from '../errors/index.ts';
import type { ResourceRequest } from './types.ts';

const CHUNK_BYTES = 65_536;

/** Returns the content of a file. A pipe is read to its end, so that `--policy <(…)` works. */
export async function loadFile(path: string, request: ResourceRequest): Promise<Uint8Array> {
  const { what, maxBytes, code, signal } = request;
  const context = { path };
  try {
    // A read that the kernel does not end goes on by itself.
    const bytes = await raceCancellation(read(path, maxBytes), signal);
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    if (signal?.aborted) throw cancellation(signal, `load ${what} ${path}: cancelled`);
    throw new SealiftError(code, `load ${what} ${path}: cannot be read`, { context, cause });
  }
  throw new SealiftError(code, `load ${what} ${path}: expected at most ${maxBytes} bytes, got more`, {
    context: { ...context, limit: 'maxConfigurationBytes', expected: maxBytes, actual: 'more' },
  });
}

/** Undefined: the file has more bytes. */
async function read(path: string, maxBytes: number): Promise<Buffer | undefined> {
  await using file: FileHandle = await open(path, 'r');
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return Buffer.concat(chunks);
    length += bytesRead;
    if (length > maxBytes) return undefined;
    chunks.push(buffer.subarray(0, bytesRead));
  }
}
