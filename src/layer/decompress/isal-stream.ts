import { SealiftError } from '../../errors/index.ts';
import { addressOf, type InflateLibrary } from '../../platform/index.ts';

/**
 * Where the fields of `struct inflate_state` are. They are the same in ISA-L 2.30 and 2.31 on 64-bit machines, and
 * `hasExpectedLayout` tests them.
 * https://github.com/intel/isa-l/blob/v2.30.0/include/igzip_lib.h
 */
const FIELD = {
  nextOut: 0,
  availableOut: 8,
  nextIn: 16,
  readIn: 24,
  availableIn: 32,
  readInBits: 36,
  blockState: 21_160,
  crcFlag: 21_172,
  crc: 21_176,
} as const;

/** The size of `struct inflate_state`. */
export const STATE_BYTES = 87_368;

/**
 * The bytes that `isal_inflate_init` sets to zero: the fields before and after the tables of codes. It leaves the tables
 * and the buffers alone.
 */
const ZEROED: readonly (readonly [start: number, end: number])[] = [
  [0, 40],
  [21_160, 21_216],
];

/**
 * The `crc_flag` for deflate data alone, with a checksum of the output. ISA-L's own reader of gzip headers loses the
 * flags of a header that comes in two pieces (https://github.com/intel/isa-l/issues/224) and ignores reserved flags.
 */
const GZIP_WITHOUT_HEADER = 2;
/** The `block_state` of a stream that has ended and whose output has all been delivered. */
const FINISHED = 5;

/** The results of `isal_inflate`, in zlib's words where it has one text for the case. */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [-1, 'invalid block'],
  [-2, 'invalid literal/length or distance code'],
  [-3, 'invalid distance too far back'],
]);

/** Inflates one deflate stream after another with ISA-L. */
export class IsalStream {
  readonly #library: InflateLibrary;
  readonly #state: Buffer;
  /** What the state has addresses of. The field keeps it alive during a call. */
  #held: { readonly input: Uint8Array; readonly output: Uint8Array } | undefined;
  /** The bytes that the last call of {@link inflate} took and wrote. */
  consumed = 0;
  produced = 0;

  /** `memory` is at least `STATE_BYTES` long. */
  constructor(library: InflateLibrary, memory: Buffer = Buffer.alloc(STATE_BYTES)) {
    this.#library = library;
    this.#state = memory;
  }

  /** Begins a new stream. */
  begin(): void {
    this.#library.initialize(this.#state);
    this.#state.writeUInt32LE(GZIP_WITHOUT_HEADER, FIELD.crcFlag);
  }

  /**
   * Inflates until the input is used up, the output is full, or the stream has ended. Returns what is wrong with the
   * stream, if anything.
   */
  inflate(input: Uint8Array, output: Uint8Array): string | undefined {
    const state = this.#state;
    this.#held = { input, output };
    state.writeBigUInt64LE(addressOf(input), FIELD.nextIn);
    state.writeUInt32LE(input.length, FIELD.availableIn);
    state.writeBigUInt64LE(addressOf(output), FIELD.nextOut);
    state.writeUInt32LE(output.length, FIELD.availableOut);
    const result = this.#library.inflate(state);
    this.consumed = difference(this.#held.input.length, state.readUInt32LE(FIELD.availableIn));
    this.produced = difference(this.#held.output.length, state.readUInt32LE(FIELD.availableOut));
    this.#held = undefined;
    return result < 0 ? (FAILURES.get(result) ?? `error ${result}`) : undefined;
  }

  get isFinished(): boolean {
    return this.#state.readUInt32LE(FIELD.blockState) === FINISHED;
  }

  /** The CRC-32 of all output of this stream. */
  get checksum(): number {
    return this.#state.readUInt32LE(FIELD.crc);
  }

  /** Returns the bytes behind the end of the stream that the last calls took: up to eight. */
  takeRest(): Buffer {
    const bits = this.#state.readUInt32LE(FIELD.readInBits);
    if (bits > 64) throw broken(`${bits} bits left`);
    const rest = Buffer.alloc(8);
    rest.writeBigUInt64LE(this.#state.readBigUInt64LE(FIELD.readIn) >> BigInt(bits % 8));
    return rest.subarray(0, Math.floor(bits / 8));
  }
}

function difference(before: number, after: number): number {
  if (after > before) throw broken(`${after} of ${before} bytes left`);
  return before - after;
}

function broken(detail: string): SealiftError {
  return new SealiftError('INTERNAL', `libisal: expected a state that holds together, got ${detail}`);
}

const PATTERN = 0xa5;
/** Memory behind the state in tests of it: a larger state of another version does not reach beyond. */
export const SLACK_BYTES = 65_536;

/** Returns memory for a state, filled with a pattern, with room behind it. */
export function patternedMemory(): Buffer {
  return Buffer.alloc(STATE_BYTES + SLACK_BYTES, PATTERN);
}

/** True if the library initialises exactly the fields that this file knows. */
export function hasExpectedLayout(library: InflateLibrary): boolean {
  const memory = patternedMemory();
  library.initialize(memory);
  const expected = patternedMemory();
  for (const [start, end] of ZEROED) expected.fill(0, start, end);
  return memory.equals(expected);
}

/** True if nothing was written behind the state. */
export function isSlackUntouched(memory: Buffer): boolean {
  return memory.subarray(STATE_BYTES).equals(Buffer.alloc(SLACK_BYTES, PATTERN));
}
