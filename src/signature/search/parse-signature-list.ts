import { SealiftError } from '../../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';

const ENTRY_KEYS: ReadonlySet<string> = new Set(['schemaVersion', 'name', 'type', 'content']);

function refuse(problem: string): never {
  throw new SealiftError('HTTP_RESPONSE_INVALID', `list of signatures: ${problem}`);
}

function assertKeys(value: JsonObject, known: ReadonlySet<string>): void {
  const unknown = Object.keys(value).find((key) => !known.has(key));
  if (unknown !== undefined) refuse(`unknown key "${unknown}"`);
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
 * types are left out, as containers/image does. Throws `HTTP_RESPONSE_INVALID` and `JSON_INVALID`.
 * https://docs.openshift.com/container-platform/3.11/admin_guide/image_signatures.html#accessing-image-signatures-using-registry-api
 */
export function parseSignatureList(rawList: Uint8Array): readonly Uint8Array[] {
  const document = readObject(parseStrictJson(rawList), 'the document');
  assertKeys(document, new Set(['signatures']));
  // An empty list of Go is null.
  const entries = document['signatures'] ?? [];
  if (!Array.isArray(entries)) return refuse('expected signatures to be an array');
  return entries
    .map((entry) => readObject(entry, 'a signature'))
    .filter(({ schemaVersion, type }) => schemaVersion === 2 && type === 'atomic')
    .map((entry) => {
      assertKeys(entry, ENTRY_KEYS);
      if (typeof entry['name'] !== 'string') refuse('expected each signature to have a name');
      return decodeBase64(entry['content']);
    });
}
