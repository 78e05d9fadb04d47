import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type ErrorCode, SealiftError } from '../errors/index.ts';

/** A file to read, its name in messages, and the error code of a failure. */
interface TextFile {
  readonly path: string;
  /** Names the document in messages: `configuration`. */
  readonly what: string;
  readonly maxBytes: number;
  readonly code: ErrorCode;
  /** What to do when the file cannot be read; by default the hint of `code`. */
  readonly hint?: string;
}

/** What to do about a file at a path that programs read by themselves. */
export const REPLACE_FILE = 'replace it by a regular file that can be read, or remove it';

/** Opening a pipe without a writer does not block. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** The device number of /dev/null, to which an administrator may link a file that is to be ignored. */
const NULL_DEVICE = 0x103;

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Returns what a path names, in words; undefined for a regular file. */
function describeIrregular(stat: Stats): string | undefined {
  if (stat.isFile()) return undefined;
  if (stat.isDirectory()) return 'a directory';
  if (stat.isFIFO()) return 'a pipe';
  return stat.isSocket() ? 'a socket' : 'a device';
}

function isNullDevice(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === NULL_DEVICE;
}

function readWhole(fd: number, maxBytes: number): Buffer | undefined {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = Buffer.alloc(65_536);
    const count = readSync(fd, chunk, 0, chunk.length, null);
    if (count === 0) return Buffer.concat(chunks);
    length += count;
    if (length > maxBytes) return undefined;
    chunks.push(chunk.subarray(0, count));
  }
}

/**
 * Returns the UTF-8 text of a file with at most `maxBytes`; undefined when it is `optional` and absent. It must be a
 * regular file, because the read is synchronous: a pipe, a terminal or a socket would hold up the whole program, which a
 * daemon that reads its files again would not survive. An optional file may also be /dev/null, which is empty.
 */
export function loadTextFile(file: TextFile & { readonly optional: true }): string | undefined;
export function loadTextFile(file: TextFile): string;
export function loadTextFile(file: TextFile & { readonly optional?: boolean }): string | undefined {
  const { path, what, maxBytes, code, hint, optional = false } = file;
  const advice = hint === undefined ? {} : { hint };
  const refuse = (detail: string, cause?: unknown): never => {
    throw new SealiftError(code, `load ${what} ${path}: ${detail}`, { context: { path }, cause, ...advice });
  };
  const refuseLength = (): never => {
    const context = { path, limit: 'maxConfigurationBytes', expected: maxBytes, actual: 'more' };
    throw new SealiftError(code, `load ${what} ${path}: expected at most ${maxBytes} bytes, got more`, {
      context,
      ...advice,
    });
  };
  const assertRegular = (stat: Stats): void => {
    const got = describeIrregular(stat);
    if (got !== undefined && !(optional && isNullDevice(stat))) refuse(`expected a regular file, got ${got}`);
  };
  let fd: number | undefined;
  try {
    // Before it is opened, because opening a device may have an effect, and a socket cannot be opened.
    assertRegular(statSync(path));
    fd = openSync(path, WITHOUT_WAITING);
    assertRegular(fstatSync(fd));
    const bytes = readWhole(fd, maxBytes) ?? refuseLength();
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof SealiftError) throw error;
    if (optional && isAbsent(error)) return undefined;
    return refuse(error instanceof TypeError ? 'expected UTF-8 text' : 'cannot be read', error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
