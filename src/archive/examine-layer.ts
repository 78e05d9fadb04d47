import { createHash } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import { detectCompression, HEAD_BYTES } from './detect-compression.ts';
import { readInto, readPieces } from './read-range.ts';
import type { ArchiveOperations } from './types.ts';

const CHUNK_BYTES = 256 * 1024;

/** See `ArchiveOperations`. */
export const examineLayer: ArchiveOperations['examineLayer'] = ({ file }) => {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, file.length));
  const compression = detectCompression(head.subarray(0, readInto(file.fd, head, file.offset)));
  switch (compression) {
    case 'none':
      return { compression };
    case 'gzip':
    case 'zstd':
      return { compression, digest: hashRange(file) };
    default:
      throw new SealiftError(
        'ARCHIVE_UNSUPPORTED',
        `layer: expected a tar, uncompressed or compressed with gzip or zstd, got ${compression}`,
        {
          context: { actual: compression },
        },
      );
  }
};

function hashRange(file: FileRange): Digest {
  const hash = createHash('sha256');
  for (const piece of readPieces(file, Buffer.allocUnsafe(CHUNK_BYTES))) hash.update(piece);
  return parseDigest(`sha256:${hash.digest('hex')}`);
}
