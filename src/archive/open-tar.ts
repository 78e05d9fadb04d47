import { fstatSync, writeSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import { closeFd, collectYoungGarbage, errnoOf, openUnnamedShared } from '../platform/index.ts';
import { archiveFailed } from './archive-failed.ts';
import { detectCompression, HEAD_BYTES } from './detect-compression.ts';
import { readInto, readPieces } from './read-range.ts';
import type { ArchiveLimits, ArchiveOperations } from './types.ts';

const CHUNK_BYTES = 64 * 1024;
/** Garbage is collected each time that so much has come out. */
const COLLECT_BYTES = 4 * 1024 * 1024;
/** Below this the ratio says nothing: a small archive of zeros is not an attack. */
const RATIO_FREE_BYTES = 64 * 1024 * 1024;

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * See `ArchiveOperations`. Only a file that can be read at any place is of use: a compressed one is unpacked whole, into
 * a file without a name, which is gone when its descriptor is closed, however the process ends.
 */
export const openTar: ArchiveOperations['openTar'] = async ({ fd, directory, limits }) => {
  const file = { fd, offset: 0, length: fstatSync(fd).size };
  const head = Buffer.alloc(HEAD_BYTES);
  const compression = detectCompression(head.subarray(0, readInto(fd, head, 0)));
  switch (compression) {
    case 'none':
      return file;
    case 'gzip':
    case 'zstd':
      return unpack(file, createInflate(compression, limits), directory, limits);
    default:
      throw new SealiftError(
        'ARCHIVE_UNSUPPORTED',
        `archive: expected a tar, plain, gzip or zstd, got ${compression}`,
        {
          context: { actual: compression },
          hint: `decompress it first, e.g. with ${compression} -d`,
        },
      );
  }
};

function createInflate(compression: 'gzip' | 'zstd', { maxZstdWindowLog }: ArchiveLimits): NodeJS.ReadWriteStream {
  if (compression === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  return createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: maxZstdWindowLog },
  });
}

async function unpack(
  file: FileRange,
  inflate: NodeJS.ReadWriteStream,
  directory: string,
  limits: ArchiveLimits,
): Promise<FileRange> {
  const fd = openScratch(directory);
  let length = 0;
  let collectedAt = 0;
  const take = async (output: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of output) {
      assertBounded(length + chunk.length, file.length, limits);
      writeWhole(fd, chunk, length, directory);
      length += chunk.length;
      if (length - collectedAt < COLLECT_BYTES) continue;
      collectedAt = length;
      collectYoungGarbage();
    }
  };
  try {
    await pipeline(ownedPieces(file), inflate, take);
    return { fd, offset: 0, length };
  } catch (error) {
    closeFd(fd);
    if (error instanceof SealiftError) throw error;
    throw new SealiftError('ARCHIVE_INVALID', 'archive: expected it to decompress to its end', { cause: error });
  }
}

/** A stream keeps what it was given for a while. */
function* ownedPieces(file: FileRange): Generator<Buffer> {
  for (const piece of readPieces(file, Buffer.allocUnsafe(CHUNK_BYTES))) yield Buffer.from(piece);
}

function openScratch(directory: string): number {
  try {
    return openUnnamedShared(directory);
  } catch (error) {
    throw scratchFailed(directory, error);
  }
}

function writeWhole(fd: number, chunk: Buffer, position: number, directory: string): void {
  try {
    for (let done = 0; done < chunk.length; ) {
      done += writeSync(fd, chunk, done, chunk.length - done, position + done);
    }
  } catch (error) {
    throw scratchFailed(directory, error);
  }
}

function scratchFailed(directory: string, cause: unknown): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  if (!FULL.has(errno)) return archiveFailed(`unpack archive into ${directory}`, cause);
  return new SealiftError('ARCHIVE_SPACE_EXHAUSTED', `unpack archive into ${directory}: expected room, got ${errno}`, {
    context: { path: directory, errno },
    cause,
  });
}

function assertBounded(output: number, input: number, limits: ArchiveLimits): void {
  const { maxArchiveBytes, maxExpansionRatio } = limits;
  if (output > maxArchiveBytes) throw exceeded('maxArchiveBytes', maxArchiveBytes, output);
  if (output <= RATIO_FREE_BYTES || output <= input * maxExpansionRatio) return;
  throw exceeded('maxExpansionRatio', maxExpansionRatio, output);
}

function exceeded(limit: keyof ArchiveLimits, expected: number, actual: number): SealiftError {
  return new SealiftError('ARCHIVE_LIMIT_EXCEEDED', `archive: ${limit} of ${expected} exceeded at ${actual} bytes`, {
    context: { limit, expected, actual },
  });
}
