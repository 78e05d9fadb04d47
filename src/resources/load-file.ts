import { close, constants, fstat, open, read, type Stats, stat } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { cancellation, raceCancellation, SealiftError } from '../errors/index.ts';
import type { ResourceRequest } from './types.ts';

const CHUNK_BYTES = 65_536;

/** Opening a pipe that has no writer, or reading one that is empty, would hold a thread until the process is killed. */
const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);
const statPath = promisify(stat);
const readFile = promisify(read);

/** Returns the content of a file. A pipe is read to its end, so that `--policy <(…)` works. */
export async function loadFile(path: string, request: ResourceRequest): Promise<Uint8Array> {
  const { what, maxBytes, code, limit = 'maxConfigurationBytes', signal } = request;
  const context = { path };
  try {
    // A read that the kernel does not end goes on by itself.
    const bytes = await raceCancellation(readWhole(path, request), signal);
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    if (signal?.aborted) throw cancellation(signal, `load ${what} ${path}: cancelled`);
    if (cause instanceof SealiftError) throw cause;
    throw new SealiftError(code, `load ${what} ${path}: cannot be read`, { context, cause });
  }
  throw new SealiftError(code, `load ${what} ${path}: expected at most ${maxBytes} bytes, got more`, {
    context: { ...context, limit, expected: maxBytes, actual: 'more' },
  });
}

/** Undefined: the file has more bytes. */
async function readWhole(path: string, request: ResourceRequest): Promise<Buffer | undefined> {
  const { maxBytes, regularOnly = false, signal } = request;
  // Opening a device may have an effect.
  if (regularOnly) assertRegular(await statPath(path), path, request);
  const fd = await openFile(path, READ_AT_ONCE);
  let stream: Readable | undefined;
  try {
    const stats = await statFile(fd);
    if (regularOnly) assertRegular(stats, path, request);
    stream = streamOf(fd, stats);
    return await collect(stream ?? readChunks(fd), maxBytes, signal);
  } finally {
    // A stream closes its descriptor.
    if (stream === undefined) await closeFile(fd);
    else stream.destroy();
  }
}

function assertRegular(stats: Stats, path: string, { what, code }: ResourceRequest): void {
  if (stats.isFile()) return;
  throw new SealiftError(code, `load ${what} ${path}: expected a regular file`, { context: { path } });
}

/** Returns a stream for what may have no bytes yet; undefined for anything that can be read at once. */
function streamOf(fd: number, stat: Stats): Readable | undefined {
  if (stat.isFIFO() || stat.isSocket()) return new Socket({ fd, readable: true, writable: false });
  return isatty(fd) ? new ReadStream(fd) : undefined;
}

async function* readChunks(fd: number): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await readFile(fd, Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function collect(
  source: Readable | AsyncGenerator<Buffer>,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const destroy = (): void => {
    if ('destroy' in source) source.destroy(new Error('cancelled'));
  };
  signal?.addEventListener('abort', destroy, { once: true });
  if (signal?.aborted) destroy();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) return undefined;
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    signal?.removeEventListener('abort', destroy);
  }
}
