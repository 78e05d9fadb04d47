import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type ErrorCode, SealiftError } from '../errors/index.ts';

/** A file to read, its name in messages, and the error code of a failure. */
interface TextFile {
  readonly path: string;
  /** Names the document in messages: `configuration`. */
  readonly what: string;
  readonly maxBytes: number;
  readonly code: ErrorCode;
}

/** Opening a pipe without a writer does not block. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
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
 * Returns the UTF-8 text of a file with at most `maxBytes`; undefined when it is `optional` and absent. A pipe is read
 * to its end (`-c <(…)`), but an optional file must not be one. Reads synchronously, because programs only read such
 * files at their start or on a reload.
 */
export function loadTextFile(file: TextFile & { readonly optional: true }): string | undefined;
export function loadTextFile(file: TextFile): string;
export function loadTextFile(file: TextFile & { readonly optional?: boolean }): string | undefined {
  const { path, what, maxBytes, code, optional = false } = file;
  const refuse = (detail: string, cause?: unknown): never => {
    throw new SealiftError(code, `load ${what} ${path}: ${detail}`, { context: { path }, cause });
  };
  const refuseLength = (): never => {
    const context = { path, limit: 'maxConfigurationBytes', expected: maxBytes, actual: 'more' };
    throw new SealiftError(code, `load ${what} ${path}: expected at most ${maxBytes} bytes, got more`, { context });
  };
  let fd: number | undefined;
  try {
    fd = openSync(path, optional ? WITHOUT_WAITING : 'r');
    // The user has not named such a file, so no program would write into a pipe.
    if (optional && fstatSync(fd).isFIFO()) refuse('expected a file, got a pipe');
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
