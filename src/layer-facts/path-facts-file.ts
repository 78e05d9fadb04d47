import { hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ByteString } from '../bytes/index.ts';
import { SealiftError } from '../errors/index.ts';
import { limitExceeded } from '../limits/index.ts';
import { errnoOf, FULL_STATE_HINT, formatShortage, lackingResource } from '../platform/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import { summarizeFacts } from './summarize-facts.ts';
import type { LayerSummary, PathFacts, PathFactsFile } from './types.ts';

/** What a path counts in addition to its text in the file: the string and its entries in the maps of a plan. */
const PATH_WEIGHT = 38;

/** The document in the file: one line of JSON. Flags are apart from the paths, because an object for each path takes memory. */
interface FactsDocument {
  readonly implied: readonly ByteString[];
  /** Positions in `implied`. */
  readonly cut: readonly number[];
  readonly traversed: readonly ByteString[];
  readonly marked: readonly ByteString[];
}

/**
 * Writes the path facts of a layer to a new file. Throws `LAYER_LIMIT_EXCEEDED` when they weigh more than
 * `maxRecordBytes`, and `STORE_SPACE_EXHAUSTED` or `STORE_IO_FAILED` when the file cannot be written.
 */
export function saveFacts(
  path: string,
  facts: LayerFacts,
  { maxRecordBytes }: { readonly maxRecordBytes: number },
): LayerSummary {
  const weight = weigh(facts);
  if (weight > maxRecordBytes) {
    const excess = { limit: 'maxRecordBytes', expected: maxRecordBytes, actual: weight } as const;
    throw limitExceeded('layer: bytes of paths without entries', excess);
  }
  const bytes = encode(facts);
  try {
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    rmSync(path, { force: true });
    throw writeFailed(path, error);
  }
  return summarizeFacts(facts, { bytes: bytes.length, sha256: hashOf(bytes), weight });
}

/** Reads path facts back. Throws `STORE_RECORD_CORRUPT` when they are not as they were written. */
export function readFacts(file: PathFactsFile | undefined): PathFacts {
  if (file === undefined) return { implied: [], traversed: [], marked: [] };
  const bytes = readExtent(file);
  if (bytes.length !== file.bytes || hashOf(bytes) !== file.sha256) {
    throw new SealiftError(
      'STORE_RECORD_CORRUPT',
      `read facts of a layer in ${file.path}: expected ${file.bytes} bytes as they were written, got others`,
      { context: { path: file.path } },
    );
  }
  const { implied, cut, traversed, marked }: FactsDocument = JSON.parse(bytes.toString('utf8'));
  const isCut = new Set(cut);
  return { implied: implied.map((path, position) => ({ path, cut: isCut.has(position) })), traversed, marked };
}

function weigh({ implied, traversed, marked }: PathFacts): number {
  let weight = 0;
  for (const { path } of implied) weight += weighPath(path);
  for (const path of traversed) weight += weighPath(path);
  for (const path of marked) weight += weighPath(path);
  return weight;
}

/** The text is in quotes. A control character in it takes six, which are in memory while the file is read. */
function weighPath(path: ByteString): number {
  return JSON.stringify(path).length + PATH_WEIGHT;
}

function encode({ implied, traversed, marked }: PathFacts): Buffer {
  const document: FactsDocument = {
    implied: implied.map(({ path }) => path),
    cut: implied.flatMap(({ cut }, position) => (cut ? [position] : [])),
    traversed,
    marked,
  };
  return Buffer.from(`${JSON.stringify(document)}\n`);
}

function readExtent({ path, bytes }: PathFactsFile): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const room = Buffer.allocUnsafe(bytes);
    let length = 0;
    while (length < bytes) {
      const count = readSync(fd, room, length, bytes - length, length);
      if (count === 0) break;
      length += count;
    }
    return room.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

function hashOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

function writeFailed(path: string, cause: unknown): SealiftError {
  const errno = errnoOf(cause);
  if (errno === undefined) return new SealiftError('INTERNAL', `write facts ${path}: ${String(cause)}`, { cause });
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'STORE_SPACE_EXHAUSTED' : 'STORE_IO_FAILED';
  const shortage = lackingResource(errno, dirname(path));
  const left = shortage === undefined ? '' : `: the state directory has ${formatShortage(shortage)} left`;
  return new SealiftError(code, `write facts of a layer to ${path}: expected success, got ${errno}${left}`, {
    cause,
    context: { path, errno, fileSystem: 'state', ...shortage },
    ...(shortage === undefined ? {} : { hint: FULL_STATE_HINT }),
  });
}
