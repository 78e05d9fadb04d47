import { crc32 } from 'node:zlib';
import { type CachedPart, PREFIX_BYTES } from '../src/bin/code-cache.ts';

export interface CachedChunk {
  readonly name: string;
  readonly source: Buffer;
  /** What V8 wrote. */
  readonly data: Buffer;
}

/** Formats the file that `openCodeCache` reads: prefix, index as JSON, and the data of each chunk. */
export function formatCodeCache(chunks: readonly CachedChunk[]): Buffer {
  let offset = 0;
  const parts = chunks.map(({ name, source, data }): CachedPart => {
    const part = { offset, length: data.length, crc: crc32(data) };
    offset += data.length;
    return { name, sourceLength: source.length, sourceCrc: crc32(source), ...part };
  });
  const index = Buffer.from(JSON.stringify(parts));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(index.length, 0);
  prefix.writeUInt32LE(crc32(index), 4);
  return Buffer.concat([prefix, index, ...chunks.map(({ data }) => data)]);
}
