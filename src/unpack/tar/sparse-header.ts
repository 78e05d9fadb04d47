import type { ByteString } from '../../bytes/index.ts';
import type { DataRun } from '../types.ts';
import { parseDecimal } from './parse-number.ts';
import { malformed, unsupported } from './refuse.ts';

const PREFIX = 'GNU.sparse.';
const OFFSET = `${PREFIX}offset`;
const LENGTH = `${PREFIX}numbytes`;
const MAP = `${PREFIX}map` as ByteString;

/**
 * What extended headers say of a sparse file, https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
 */
export interface SparseHeader {
  /** The name of the file, where the header's own is made up for programs that do not know sparse files. */
  readonly name: ByteString | undefined;
  /** The size of the file with its holes; undefined: that of the header. */
  readonly size: number | undefined;
  /** Formats 0.0 and 0.1; undefined in format 1.0, in which the map precedes the content. */
  readonly runs: readonly DataRun[] | undefined;
}

/** Collects the records of format 0.0, in which offsets and lengths are repeated keys in alternation. */
export class SparseRecords {
  readonly #numbers: ByteString[] = [];

  /** Returns true for a record that belongs to the map. Throws TAR_INVALID for one that is out of order. */
  take(key: ByteString, value: ByteString): boolean {
    const isOffset = key === OFFSET;
    if (!isOffset && key !== LENGTH) return false;
    if (isOffset !== (this.#numbers.length % 2 === 0) || value.includes(',')) {
      throw malformed(`pax record ${key}: expected offsets and lengths of sparse data in turn, got another order`);
    }
    this.#numbers.push(value);
    return true;
  }

  /** Adds the map in the form of format 0.1. */
  addTo(records: Map<ByteString, ByteString>): void {
    if (this.#numbers.length > 0) records.set(MAP, this.#numbers.join(',') as ByteString);
  }
}

/** Returns undefined without records of a sparse file. Throws TAR_UNSUPPORTED for a format that is not known. */
export function readSparseHeader(records: ReadonlyMap<ByteString, ByteString>): SparseHeader | undefined {
  if (![...records.keys()].some((key) => key.startsWith(PREFIX))) return undefined;
  const get = (key: string) => records.get(`${PREFIX}${key}` as ByteString) || undefined;
  const size = get('size') ?? get('realsize');
  const common = { name: get('name'), size: size === undefined ? undefined : parseDecimal(`${PREFIX}size`, size) };
  const version = `${get('major') ?? ''}.${get('minor') ?? ''}`;
  const map = get('map');
  if (version === '1.0') return { ...common, runs: undefined };
  if (version === '0.0' || version === '0.1' || (version === '.' && map !== undefined)) {
    return { ...common, runs: parseMap(map, get('numblocks')) };
  }
  throw unsupported(`sparse file: expected one of the formats 0.0, 0.1 and 1.0, got '${version}'`, { version });
}

function parseMap(map: string | undefined, count: string | undefined): readonly DataRun[] {
  const numbers = map === undefined ? [] : map.split(',').map((text) => parseDecimal(MAP, text));
  const expected = 2 * parseDecimal(`${PREFIX}numblocks`, count ?? '');
  if (numbers.length !== expected) {
    throw malformed(`sparse map: expected ${expected} numbers, got ${numbers.length}`, { expected });
  }
  return pairRuns(numbers);
}

/** Pairs offsets with lengths. */
export function pairRuns(numbers: readonly number[]): readonly DataRun[] {
  return Array.from({ length: numbers.length / 2 }, (_, at) => {
    return { offset: numbers[2 * at] ?? 0, length: numbers[2 * at + 1] ?? 0 };
  });
}
