import { SealiftError } from '../errors/index.ts';
import { limitExceeded } from '../limits/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../oci/index.ts';
import type { BrokerLimits } from './types.ts';

/** What is read here has one object, and a key in it at most. */
const MAX_DEPTH = 8;

export function answerInvalid(subject: string, problem: string): SealiftError {
  return new SealiftError('KEYBROKER_ANSWER_INVALID', `${subject}: ${problem}`);
}

/**
 * Runs a decoder on an answer. What is wrong is not repeated, and no cause is kept: a message of a parser may quote what
 * it has read, which is a secret here.
 */
export function readingAnswer<T>(subject: string, decode: () => T): T {
  try {
    return decode();
  } catch {
    throw answerInvalid(subject, 'the answer is malformed');
  }
}

/** Parses a document that holds secrets: one JSON object, without duplicate members. */
export function parseSecretJson(raw: Uint8Array, subject: string): JsonObject {
  const document = readingAnswer(subject, () => parseStrictJson(raw, { maxDepth: MAX_DEPTH }));
  if (!isJsonObject(document)) throw answerInvalid(subject, 'expected a JSON object');
  return document;
}

/** Decodes base64 or base64url as it is written by an encoder and in no other way; undefined for any other text. */
export function decodeExactly(text: unknown, encoding: 'base64' | 'base64url'): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}

export function assertResourceSize(
  bytes: Uint8Array,
  subject: string,
  { maxResourceBytes }: Pick<BrokerLimits, 'maxResourceBytes'>,
): Uint8Array {
  if (bytes.byteLength <= maxResourceBytes) return bytes;
  const excess = { limit: 'maxResourceBytes', expected: maxResourceBytes, actual: bytes.byteLength } as const;
  throw limitExceeded(`bytes of ${subject}`, excess);
}
