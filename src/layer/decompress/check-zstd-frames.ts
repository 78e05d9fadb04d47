import type { FlowSink } from '../flow-sink.ts';
import { decompressFailed } from './sync-handle.ts';

export interface ZstdFrameRules {
  /** Called with the window size of each frame before the decoder sees it; may block or throw. */
  readonly onWindow: (windowBytes: number) => void;
}

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

/** What the next `need` bytes are. They are gathered and then parsed. */
type Expectation =
  | { readonly kind: 'magic' | 'skippable-size' | 'frame-descriptor' | 'block-header'; readonly need: number }
  | { readonly kind: 'frame-header'; readonly need: number; readonly descriptor: number };

/**
 * Reads frame and block headers without decoding, and passes all bytes on. The decoder would allocate what a header
 * asks for, take a truncation for the end of the data, and stop silently before garbage; this stage refuses all
 * three. https://www.rfc-editor.org/rfc/rfc8878#section-3
 */
export function checkZstdFrames(rules: ZstdFrameRules, next: FlowSink): FlowSink {
  const walker = new FrameWalker(rules);
  return {
    write(chunk) {
      walker.walk(chunk);
      return next.write(chunk);
    },
    end() {
      walker.end();
      return next.end();
    },
  };
}

const MAGIC: Expectation = { kind: 'magic', need: 4 };
const BLOCK_HEADER: Expectation = { kind: 'block-header', need: 3 };

class FrameWalker {
  readonly #rules: ZstdFrameRules;
  readonly #gathered = Buffer.alloc(16);
  #have = 0;
  #expect: Expectation = MAGIC;
  #skip = 0;
  #frames = 0;
  #hasChecksum = false;

  constructor(rules: ZstdFrameRules) {
    this.#rules = rules;
  }

  walk(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - offset);
        this.#skip -= skipped;
        offset += skipped;
        continue;
      }
      this.#gathered[this.#have++] = chunk[offset++] ?? 0;
      if (this.#have === this.#expect.need) {
        this.#have = 0;
        this.#expect = this.#parse(this.#expect);
      }
    }
  }

  end(): void {
    if (this.#skip > 0 || this.#have > 0 || this.#expect !== MAGIC) throw decompressFailed('zstd', 'truncated frame');
    if (this.#frames === 0) throw decompressFailed('zstd', 'no frame');
  }

  #parse(expectation: Expectation): Expectation {
    switch (expectation.kind) {
      case 'magic':
        return this.#parseMagic();
      case 'skippable-size':
        this.#skip = this.#gathered.readUInt32LE(0);
        return MAGIC;
      case 'frame-descriptor':
        return this.#parseDescriptor();
      case 'frame-header':
        return this.#parseFrameHeader(expectation.descriptor);
      case 'block-header':
        return this.#parseBlockHeader();
    }
  }

  #parseMagic(): Expectation {
    const magic = this.#gathered.readUInt32LE(0);
    if (magic === FRAME_MAGIC) return { kind: 'frame-descriptor', need: 1 };
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) return { kind: 'skippable-size', need: 4 };
    throw decompressFailed('zstd', `expected a frame, got the bytes ${this.#gathered.toString('hex', 0, 4)}`);
  }

  #parseDescriptor(): Expectation {
    const descriptor = this.#gathered.readUInt8(0);
    if ((descriptor & 0b1000) !== 0) throw decompressFailed('zstd', 'reserved bit set in a frame header');
    return { kind: 'frame-header', need: frameHeaderBytes(descriptor), descriptor };
  }

  #parseFrameHeader(descriptor: number): Expectation {
    const windowBytes = isSingleSegment(descriptor)
      ? readContentSize(this.#gathered, descriptor)
      : readWindowSize(this.#gathered.readUInt8(0));
    if ((descriptor & 0b11) !== 0) throw decompressFailed('zstd', 'a frame needs a dictionary');
    this.#rules.onWindow(windowBytes);
    this.#frames += 1;
    this.#hasChecksum = (descriptor & 0b100) !== 0;
    return BLOCK_HEADER;
  }

  #parseBlockHeader(): Expectation {
    const header = this.#gathered.readUIntLE(0, 3);
    const type = (header >> 1) & 0b11;
    if (type === 3) throw decompressFailed('zstd', 'reserved block type');
    const isRunLength = type === 1;
    this.#skip = isRunLength ? 1 : header >> 3;
    if ((header & 1) === 0) return BLOCK_HEADER;
    this.#skip += this.#hasChecksum ? 4 : 0;
    return MAGIC;
  }
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0b100000) !== 0;
}

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >> 6;
  return flag === 0 && isSingleSegment(descriptor) ? 1 : (CONTENT_SIZE_BYTES[flag] ?? 0);
}

/** Returns at least 1: a single segment has a content size, and any other frame has a window descriptor. */
function frameHeaderBytes(descriptor: number): number {
  const window = isSingleSegment(descriptor) ? 0 : 1;
  return window + (DICTIONARY_ID_BYTES[descriptor & 0b11] ?? 0) + contentSizeBytes(descriptor);
}

function readWindowSize(windowDescriptor: number): number {
  const base = 2 ** (10 + (windowDescriptor >> 3));
  return base + (base / 8) * (windowDescriptor & 0b111);
}

function readContentSize(header: Buffer, descriptor: number): number {
  const offset = DICTIONARY_ID_BYTES[descriptor & 0b11] ?? 0;
  const bytes = contentSizeBytes(descriptor);
  if (bytes === 8) return Number(header.readBigUInt64LE(offset));
  const value = header.readUIntLE(offset, bytes);
  return bytes === 2 ? value + 256 : value;
}
