import { redact, toPlainError } from '../errors/index.ts';
import type { LogFields } from './types.ts';

/** Field names whose values are never logged. */
const SECRET_NAME = /authorization|cookie|passw|secret|token|credential|creds|auth$|passphrase|private_?key/i;
const MAX_DEPTH = 4;
const MAX_ITEMS = 100;

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Error) return redactValue(toPlainError(value), depth + 1);
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (depth >= MAX_DEPTH) return '<nested>';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redactValue(item, depth + 1));
  return redactEntries(value, depth);
}

function redactEntries(fields: object, depth: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields)
      .slice(0, MAX_ITEMS)
      .map(([name, value]) => [
        redact(name),
        SECRET_NAME.test(name) && value !== undefined ? 'REDACTED' : redactValue(value, depth + 1),
      ]),
  );
}

/** Returns the fields as they may be logged: bounded, without secrets and control characters, errors as data. */
export function redactFields(fields: LogFields): LogFields {
  return redactEntries(fields, 0);
}
