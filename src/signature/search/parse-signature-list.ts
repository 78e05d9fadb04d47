import { SealiftError } from '../../errors/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { printable } from '../signed-content/index.ts';

const ENTRY_KEYS: ReadonlySet<string> = new Set(['schemaVersion', 'name', 'type', 'content']);

/**
 * Bounds the list before it is parsed, which other pulls have to wait for; a real signature has a few KiB, so this is
 * enough for more than a hundred.
 */
const MAX_LIST_BYTES = 1024 * 1024;

/** An entry has four members; entries of other types may have more. */
const MAX_ENTRY_COMMAS = 32;
const COMMA = ','.charCodeAt(0);

/** A comma is between any two values of a list, so their number bounds what a parser has to make. */
function hasMoreCommas(rawList: Uint8Array, most: number): boolean {
  let count = 0;
  for (let at = rawList.indexOf(COMMA); at >= 0 && count <= most; at = rawList.indexOf(COMMA, at + 1)) count++;
  return count > most;
}

function refuse(problem: string): never {
  throw new SealiftError('HTTP_RESPONSE_INVALID', `list of signatures: ${problem}`);
}

function assertKeys(value: JsonObject, known: ReadonlySet<string>): void {
  const unknown = Object.keys(value).find((key) => !known.has(key));
  if (unknown !== undefined) refuse(`unknown key "${printable(unknown)}"`);
}

function readObject(value: unknown, what: string): JsonObject {
  return isJsonObject(value) ? value : refuse(`expected ${what} to be an object`);
}

/** Only the canonical form is accepted, so that no text has two readings. */
function decodeBase64(text: unknown): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
  return bytes !== undefined && bytes.toString('base64') === text ? bytes : refuse('expected content in base64');
}

/**
 * Returns the simple signatures in the answer of a registry that keeps signatures itself. Entries of other versions and
 * types are left out, as containers/image does, but count. Throws `HTTP_RESPONSE_INVALID` and `JSON_INVALID`, and
 * `SIGNATURE_LIMIT_EXCEEDED` for more than `maxEntries`, which is the limit `maxImageSignatures`.
 * https://docs.openshift.com/container-platform/3.11/admin_guide/image_signatures.html#accessing-image-signatures-using-registry-api
 */
export function parseSignatureList(rawList: Uint8Array, maxEntries: number): readonly Uint8Array[] {
  if (rawList.length > MAX_LIST_BYTES) {
    return refuse(`it has ${rawList.length} bytes; expected at most ${MAX_LIST_BYTES}`);
  }
  if (hasMoreCommas(rawList, maxEntries * MAX_ENTRY_COMMAS)) {
    return refuse(`it has too many values for ${maxEntries} entries (maxImageSignatures)`);
  }
  const document = readObject(parseStrictJson(rawList), 'the document');
  assertKeys(document, new Set(['signatures']));
  // An empty list of Go is null.
  const entries = document['signatures'] ?? [];
  if (!Array.isArray(entries)) return refuse('expected signatures to be an array');
  if (entries.length > maxEntries) {
    const excess = { limit: 'maxImageSignatures', expected: maxEntries, actual: entries.length } as const;
    throw limitExceeded('list of signatures: entries', excess);
  }
  return entries
    .map((entry) => readObject(entry, 'a signature'))
    .filter(({ schemaVersion, type }) => schemaVersion === 2 && type === 'atomic')
    .map((entry) => {
      assertKeys(entry, ENTRY_KEYS);
      if (typeof entry['name'] !== 'string') refuse('expected each signature to have a name');
      return decodeBase64(entry['content']);
    });
}
