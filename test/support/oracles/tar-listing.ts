import { type ByteSink, type ByteString, toByteString } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import type { EntrySink } from '../../../src/unpack/index.ts';
import { readTar } from '../../../src/unpack/tar/index.ts';
import type { TarEntry } from '../../../src/unpack/types.ts';

/** An entry as the strict reader gave it, with its whole content; xattr values as strings of bytes. */
export interface ListedEntry extends Omit<TarEntry, 'xattrs'> {
  readonly content: ByteString;
  readonly xattrs: Readonly<Record<string, string>>;
}

/** A sink that keeps everything it receives. */
export class ListingSink implements EntrySink {
  readonly entries: ListedEntry[] = [];
  ended = false;
  #pieces: Buffer[] = [];

  entry(entry: TarEntry): void {
    this.#close();
    const xattrs = Object.fromEntries([...entry.xattrs].map(([name, value]) => [name, toByteString(value)]));
    this.entries.push({ ...entry, xattrs, content: toByteString(Buffer.alloc(0)) });
  }

  data(chunk: Uint8Array): void {
    this.#pieces.push(Buffer.from(chunk));
  }

  end(): void {
    this.#close();
    this.ended = true;
  }

  #close(): void {
    const last = this.entries.pop();
    if (last) this.entries.push({ ...last, ...contentOf(last, Buffer.concat(this.#pieces)) });
    this.#pieces = [];
  }
}

/** The whole content and its size, with zeros for holes. */
function contentOf({ size, sparse }: ListedEntry, bytes: Buffer): Pick<ListedEntry, 'content' | 'size'> {
  if (sparse === undefined) return { content: toByteString(bytes), size };
  const whole = Buffer.alloc(sparse.size);
  let done = 0;
  for (const { offset, length } of sparse.runs) {
    bytes.copy(whole, offset, done, done + length);
    done += length;
  }
  return { content: toByteString(whole), size: sparse.size };
}

/** Reads a whole archive in chunks of at most `chunkBytes`; throws what the reader throws. */
export function listTar(
  archive: Uint8Array,
  chunkBytes = archive.length,
  limits: Limits = DEFAULT_LIMITS,
): ListedEntry[] {
  const sink = new ListingSink();
  const reader = readTar(limits, sink);
  writeInChunks(reader, archive, Math.max(1, chunkBytes));
  reader.end();
  return sink.entries;
}

/** Every chunk is overwritten after its `write` returned, as the ring's slots are. */
export function writeInChunks(sink: ByteSink, bytes: Uint8Array, chunkBytes: number): void {
  const slot = Buffer.alloc(Math.min(chunkBytes, bytes.length));
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const part = bytes.subarray(at, at + chunkBytes);
    slot.set(part);
    sink.write(slot.subarray(0, part.length));
    slot.fill(0xdb);
  }
}
