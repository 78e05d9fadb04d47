import { SealiftError } from '../../errors/index.ts';
import type { InflateLibrary } from '../../platform/index.ts';
import { SLOT_BYTES, type SlotWriter } from '../ring.ts';
import { createIsalDecompressor } from './isal.ts';
import { hasExpectedLayout, isSlackUntouched, patternedMemory } from './isal-stream.ts';

/** A gzip member of {@link testText}. */
const VECTOR =
  'H4sIAAAAAAACA+3dPVeBAQCG4U5ZaWZqkK1TrVjLqtY0GPp4zzF5rVixphUrrTIzZ5Y11ljLZvEL0njdw/X8jCc6vDvs5386V98v6a/G+aya' +
  '/CjHx0+x98LR4Oa3e71qZxbNi8/a6TRMTJ6PR/eRt9tNL7d+zS5bl/N6KnwoloLHyon92x5IkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJ' +
  'kiRJkiRJkiRJkiRJkiRJkiRJ0i4/8PttEBbPSgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' +
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4F/ZAg9p0PswkQEA';
/** Where the deflate data of a member without optional parts of the header begins. */
const DATA_OFFSET = 10;
const TRAILER_BYTES = 8;
/** Less than ISA-L reads ahead. */
const SMALL_PIECE_BYTES = 5;
/** A block of the reserved type. */
const RESERVED_BLOCK = 0b110;

/** Literals, a match almost as far back as one can be, short overlapping matches, and more than the state can hold. */
function testText(): Buffer {
  const words = Buffer.from('sealift '.repeat(40));
  const literals = Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 167 + 13) & 255));
  return Buffer.concat([literals, words, Buffer.alloc(32_000), words, Buffer.alloc(70_000, 'isa-l')]);
}

/**
 * Returns what is wrong with a libisal, if anything. Whatever another version does differently and this project depends
 * on shows here: the layout of the state, members in small and large pieces, their checksums, the refusal of damage.
 */
export function testIsal(library: InflateLibrary): string | undefined {
  if (!hasExpectedLayout(library)) return 'it is of another version: its state has another layout';
  const memory = patternedMemory();
  const member = Buffer.from(VECTOR, 'base64');
  const text = testText();
  const bench: Bench = { library, memory, slot: Buffer.allocUnsafeSlow(SLOT_BYTES) };
  const passes =
    inflate(bench, [...cut(member, SMALL_PIECE_BYTES), member])?.equals(Buffer.concat([text, text])) === true &&
    inflate(bench, [damage(member, DATA_OFFSET, RESERVED_BLOCK)]) === undefined &&
    inflate(bench, [damage(member, member.length - TRAILER_BYTES, 0)]) === undefined;
  if (!isSlackUntouched(memory)) return 'it is of another version: its state is larger';
  return passes ? undefined : 'it does not inflate as expected';
}

function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** Returns a copy with another byte at `offset`. */
function damage(bytes: Buffer, offset: number, value: number): Buffer {
  const damaged = Buffer.from(bytes);
  damaged[offset] = damaged[offset] === value ? ~value : value;
  return damaged;
}

interface Bench {
  readonly library: InflateLibrary;
  readonly memory: Buffer;
  readonly slot: Buffer;
}

/** Returns undefined if the library refuses the bytes. */
function inflate({ library, memory, slot }: Bench, pieces: readonly Buffer[]): Buffer | undefined {
  const parts: Buffer[] = [];
  const slots: SlotWriter = {
    acquire: () => slot,
    publish: (length) => parts.push(Buffer.from(slot.subarray(0, length))),
    end: () => {},
  };
  const decompressor = createIsalDecompressor(library, slots, memory);
  try {
    for (const piece of pieces) decompressor.write(piece);
    decompressor.end();
  } catch (error) {
    if (error instanceof SealiftError && error.code === 'LAYER_DECOMPRESS_FAILED') return undefined;
    throw error;
  }
  return Buffer.concat(parts);
}
