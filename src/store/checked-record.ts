import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { z } from 'zod';
import { parseRecord } from './json-record.ts';
import { readRecord, recordCorrupt, writeRecord } from './record-file.ts';

/** Length of the check line: 64 hex digits and a line end. */
export const CHECK_BYTES = 65;

/**
 * Writes a record whose last line is a hash of the file's name and of the document. A flipped bit can leave valid JSON
 * with another meaning, and another record of the same kind can lie under this name; both are found by the hash. It does
 * not protect against an attacker that can write records: state is guest memory.
 */
export function writeCheckedRecord(path: string, record: object): void {
  const document = Buffer.from(`${JSON.stringify(record)}\n`);
  writeRecord(path, Buffer.concat([document, Buffer.from(checkLine(path, document))]));
}

/** Undefined when there is none; throws `STORE_RECORD_CORRUPT` when it is not what was written under this name. */
export function readCheckedRecord<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): z.output<Schema> | undefined {
  const bytes = readRecord(path);
  return bytes && readChecked(path, bytes, schema);
}

/** Returns the document in `bytes`, whose last line checks it. Throws `STORE_RECORD_CORRUPT`. */
export function readChecked<Schema extends z.ZodType>(path: string, bytes: Buffer, schema: Schema): z.output<Schema> {
  const document = bytes.subarray(0, -CHECK_BYTES);
  if (bytes.subarray(-CHECK_BYTES).toString('latin1') === checkLine(path, document)) {
    return parseRecord(path, document, schema);
  }
  throw recordCorrupt(path, 'is not as it was written, or belongs to another name');
}

/** Returns the last line of a record: a hash of the file's name and of the document. */
export function checkLine(path: string, document: Uint8Array): string {
  return `${createHash('sha256')
    .update(`${basename(path)}\n`)
    .update(document)
    .digest('hex')}\n`;
}
