import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** Where in the file of a program's bytecode that of one chunk lies, and what it was made of. */
export interface CachedPart {
  readonly name: string;
  readonly sourceLength: number;
  readonly sourceCrc: number;
  /** Counted from the end of the index. */
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

/** The file begins with the length of the index and its CRC-32, two 32-bit little-endian numbers. */
export const PREFIX_BYTES = 8;
/** A longer index is not read. */
const MAX_INDEX_BYTES = 65_536;

export interface CodeCache {
  /** Returns the bytecode that was made of exactly this source, `undefined` if there is none. */
  find(name: string, source: Buffer): Buffer | undefined;
}

/** Returns `undefined` where the file is absent or damaged: a program can always be compiled from its source. */
export function openCodeCache(path: string): CodeCache | undefined {
  const index = attempt(() => readIndex(path));
  if (index === undefined) return undefined;
  return {
    find: (name, source) => {
      const entry = index.get(name);
      if (entry === undefined || entry.sourceLength !== source.length || entry.sourceCrc !== crc32(source))
        return undefined;
      const data = attempt(() => readPart(path, entry.offset, entry.length));
      return data !== undefined && crc32(data) === entry.crc ? data : undefined;
    },
  };
}

function readIndex(path: string): ReadonlyMap<string, CachedPart> | undefined {
  const prefix = readPart(path, 0, PREFIX_BYTES);
  const length = prefix?.readUInt32LE(0);
  if (prefix === undefined || length === undefined || length > MAX_INDEX_BYTES) return undefined;
  const text = readPart(path, PREFIX_BYTES, length);
  if (text === undefined || crc32(text) !== prefix.readUInt32LE(4)) return undefined;
  const entries: readonly CachedPart[] = JSON.parse(text.toString('latin1'));
  return new Map(
    entries.map((entry) => [entry.name, { ...entry, offset: PREFIX_BYTES + length + entry.offset }] as const),
  );
}

/** Returns `undefined` when the file has fewer bytes. */
function readPart(path: string, offset: number, length: number): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    const part = Buffer.allocUnsafeSlow(length);
    return readSync(file, part, 0, length, offset) === length ? part : undefined;
  } finally {
    closeSync(file);
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
