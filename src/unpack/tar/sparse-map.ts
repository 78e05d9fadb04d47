import { showByteString } from '../../bytes/index.ts';
import type { Limits } from '../../limits/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import type { DataRun, SparseFile } from '../types.ts';
import { latin1 } from './latin1.ts';
import { BLOCK_BYTES } from './parse-header.ts';
import { malformed } from './refuse.ts';
import { pairRuns } from './sparse-header.ts';

/** 2⁵³ has 16 digits. */
const MAX_DIGITS = 16;

/**
 * Reads the map of format 1.0, which stands in whole blocks before the content: the number of runs, then offset and
 * length of each, one decimal number a line.
 */
export class SparseMapReader {
  readonly #maxBytes: number;
  readonly #numbers: number[] = [];
  #text = '';
  #bytes = 0;

  constructor({ maxPaxBytes }: Pick<Limits, 'maxPaxBytes'>) {
    this.#maxBytes = maxPaxBytes;
  }

  /** Takes a block; returns the runs once the map is complete. The rest of its last block has no meaning. */
  take(block: Uint8Array, start: number): readonly DataRun[] | undefined {
    this.#bytes += BLOCK_BYTES;
    if (this.#bytes > this.#maxBytes) {
      const excess = { limit: 'maxPaxBytes', expected: this.#maxBytes, actual: this.#bytes } as const;
      throw limitExceeded('sparse map', excess);
    }
    const lines = `${this.#text}${latin1(block, start, start + BLOCK_BYTES)}`.split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#isComplete()) break;
      this.#numbers.push(parseLine(line));
    }
    if (!this.#isComplete() && this.#text.length > MAX_DIGITS) parseLine(this.#text);
    return this.#isComplete() ? pairRuns(this.#numbers.slice(1)) : undefined;
  }

  #isComplete(): boolean {
    const [count] = this.#numbers;
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }
}

function parseLine(line: string): number {
  const value = /^[0-9]{1,16}$/.test(line) ? Number(line) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  const actual = showByteString(line.slice(0, 40));
  throw malformed(`sparse map: expected a decimal number below 2^53 on each line, got '${actual}'`, { actual });
}

/**
 * Checks the runs of a file against its size and the bytes that follow, as Go's archive/tar does, and leaves out empty
 * ones. Throws TAR_INVALID.
 */
export function verifyRuns(runs: readonly DataRun[], size: number, contentBytes: number): SparseFile {
  let end = 0;
  let total = 0;
  for (const { offset, length } of runs) {
    if (offset < end || length < 0 || offset + length > size) {
      throw malformed(
        `sparse map: expected runs in order within ${size} bytes, got ${length} bytes at ${offset} after ${end}`,
      );
    }
    end = offset + length;
    total += length;
  }
  if (total !== contentBytes) {
    throw malformed(`sparse file: expected ${total} bytes of data as its map says, got ${contentBytes}`);
  }
  return { size, runs: runs.filter(({ length }) => length > 0) };
}
