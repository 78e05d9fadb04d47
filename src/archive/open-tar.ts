import { fstatSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import { closeFd, collectYoungGarbage, errnoOf, openUnnamedShared, writeAll } from '../platform/index.ts';
import { archiveFailed } from './archive-failed.ts';
import { detectCompression, HEAD_BYTES } from './detect-compression.ts';
import { readInto, readPieces } from './read-range.ts';
import type { ArchiveLimits, ArchiveOperations } from './types.ts';

const CHUNK_BYTES = 64 * 1024;
/** Garbage is collected each time this many bytes were decompressed. */
const COLLECT_BYTES = 4 * 1024 * 1024;
/** The expansion ratio is not checked below this size: a small archive of zeros is not an attack. */
const RATIO_FREE_BYTES = 64 * 1024 * 1024;

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * See `ArchiveOperations`. The members of a tar are read at their offsets, so a compressed tar is first unpacked whole
 * into an unnamed file, which disappears when its descriptor is closed, however the process ends.
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
      return unpack({ file, inflate: createInflate(compression, limits), directory, limits });
    default:
      throw new SealiftError(
        'ARCHIVE_UNSUPPORTED',
        `archive: expected a tar, uncompressed or compressed with gzip or zstd, got ${compression}`,
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

interface Unpacking {
  readonly file: FileRange;
  readonly inflate: NodeJS.ReadWriteStream;
  readonly directory: string;
  readonly limits: ArchiveLimits;
}

async function unpack({ file, inflate, directory, limits }: Unpacking): Promise<FileRange> {
  const fd = openScratch(directory);
  let length = 0;
  let collectedAt = 0;
  const take = async (output: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of output) {
      assertBounded(length + chunk.length, file.length, limits);
      writeWhole({ fd, directory }, chunk, length);
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
    throw new SealiftError('ARCHIVE_INVALID', 'archive: expected data that decompresses to its end', { cause: error });
  }
}

/** Copies each piece, because a stream keeps what it was given for a while. */
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

interface Scratch {
  readonly fd: number;
  /** Where the file without a name lies, for messages. */
  readonly directory: string;
}

function writeWhole({ fd, directory }: Scratch, chunk: Buffer, position: number): void {
  try {
    writeAll(fd, chunk, position);
  } catch (error) {
    throw scratchFailed(directory, error);
  }
}

function scratchFailed(directory: string, cause: unknown): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  if (!FULL.has(errno)) return archiveFailed(`unpack archive into ${directory}`, cause);
  return new SealiftError(
    'ARCHIVE_SPACE_EXHAUSTED',
    `unpack archive into ${directory}: expected free space, got ${errno}`,
    {
      context: { path: directory, errno },
      cause,
    },
  );
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
