import type { z } from 'zod';
import { readRecord, recordCorrupt, writeRecord } from './record-file.ts';

/** Undefined when there is none; throws `STORE_RECORD_CORRUPT` when it does not match `schema`. */
export function readJsonRecord<Schema extends z.ZodType>(path: string, schema: Schema): z.output<Schema> | undefined {
  const bytes = readRecord(path);
  if (bytes === undefined) return undefined;
  return parseRecord(path, bytes, schema);
}

/** Throws `STORE_RECORD_CORRUPT` when the document of the record at `path` is not what `schema` says. */
export function parseRecord<Schema extends z.ZodType>(
  path: string,
  document: Buffer,
  schema: Schema,
): z.output<Schema> {
  const parsed = schema.safeParse(parseJson(path, document));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw recordCorrupt(path, `fails at ${issue?.path.join('.') || 'its root'}: ${issue?.message}`);
}

export function writeJsonRecord(path: string, record: object): void {
  writeRecord(path, JSON.stringify(record));
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw recordCorrupt(path, 'is not a JSON document');
    throw error;
  }
}
