import { chooseInflate } from '../../../src/layer/decompress/choose-inflate.ts';
import { createIsalDecompressor } from '../../../src/layer/decompress/isal.ts';
import { STATE_BYTES } from '../../../src/layer/decompress/isal-stream.ts';
import { createSyncDecompressor } from '../../../src/layer/decompress/sync-handle.ts';
import type { Decompressor } from '../../../src/layer/decompress/types.ts';
import { SLOT_BYTES, type SlotWriter } from '../../../src/layer/ring.ts';
import { addressOf, type InflateLibrary } from '../../../src/platform/index.ts';
import { seededRandom } from '../seeded-random.ts';
import { mapGuarded } from './guarded-memory.ts';
import { cutAtRandom, makeGzipCase } from './gzip-cases.ts';

/**
 * Inflates random blobs with ISA-L and with zlib, and exits with 1 where they differ. State, input and output lie
 * between pages that cannot be touched. It runs in a process of its own, which such a touch ends.
 *
 * Parameters: the seed, the number of cases, and for controls `read` or `write`: the library is told of one byte more of
 * input or of output than there is.
 */
const [seed = '1', rounds = '100', control = ''] = process.argv.slice(2);

interface Result {
  readonly bytes: Buffer;
  readonly refusal: string | undefined;
}

function collect(slot: Buffer, open: (slots: SlotWriter) => Decompressor, pieces: Iterable<Buffer>): Result {
  const parts: Buffer[] = [];
  const decompressor = open({
    acquire: () => slot,
    publish: (length) => parts.push(Buffer.from(slot.subarray(0, length))),
    end: () => {},
  });
  try {
    for (const piece of pieces) void decompressor.write(piece);
    void decompressor.end();
    return { bytes: Buffer.concat(parts), refusal: undefined };
  } catch (error) {
    return { bytes: Buffer.alloc(0), refusal: error instanceof Error ? error.message : String(error) };
  } finally {
    decompressor.close();
  }
}

const INPUT_BYTES = 1 << 20;
const INPUT = mapGuarded(INPUT_BYTES);
const STATE = mapGuarded(STATE_BYTES).atEnd(STATE_BYTES);
const SLOT = mapGuarded(SLOT_BYTES).atEnd(SLOT_BYTES);
const PLAIN_SLOT = Buffer.alloc(SLOT_BYTES);
const FIELD = { availableOut: 8, availableIn: 32 } as const;

/** Less than a page. */
const EXCESS_BYTES = 1;

function withControl(library: InflateLibrary): InflateLibrary {
  if (control === '') return library;
  const offset = control === 'read' ? FIELD.availableIn : FIELD.availableOut;
  const add = (bytes: number): void =>
    void STATE.writeUInt32LE(Math.max(0, STATE.readUInt32LE(offset) + bytes), offset);
  return {
    ...library,
    inflate: (state) => {
      add(EXCESS_BYTES);
      const result = library.inflate(state);
      add(-EXCESS_BYTES);
      return result;
    },
  };
}

/** Copies each piece to the end of the guarded memory, or to its beginning. */
function* guarded(pieces: readonly Buffer[]): Iterable<Buffer> {
  for (const [index, piece] of pieces.entries()) {
    const copy = index % 4 === 3 ? INPUT.atStart(piece.length) : INPUT.atEnd(piece.length);
    piece.copy(copy);
    yield copy;
    copy.fill(0xff);
  }
}

const choice = chooseInflate('auto');
if (choice.engine !== 'isal') throw new Error(choice.reason);
const library = withControl(choice.library);
const random = seededRandom(Number(seed));
const seen = new Map<string, number>();
if (addressOf(SLOT) % 4096n !== 0n) throw new Error('the slot does not fill its pages');
for (let round = 0; round < Number(rounds); round++) {
  const { what, blob } = makeGzipCase(random);
  const pieces = cutAtRandom(blob, random);
  const zlib = collect(PLAIN_SLOT, (slots) => createSyncDecompressor('gzip', 27, slots), pieces);
  const isal = collect(SLOT, (slots) => createIsalDecompressor(library, slots, STATE), guarded(pieces));
  const isSame = (zlib.refusal === undefined) === (isal.refusal === undefined) && zlib.bytes.equals(isal.bytes);
  if (!isSame) {
    process.stderr.write(
      `seed ${seed}, case ${round}, ${what}: zlib ${zlib.refusal ?? 'accepts'}, isal ${isal.refusal ?? 'accepts'}`,
    );
    process.exit(1);
  }
  const outcome = `${what}: ${zlib.refusal ?? 'accepted'} | ${isal.refusal ?? 'accepted'}`;
  seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}
process.stdout.write(JSON.stringify([...seen]));
