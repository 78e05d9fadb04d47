import { asSealiftError } from '../../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { refuseSignature } from './refuse-signature.ts';

/** What a simple signature says: which bytes, under which name. */
export interface SignaturePayload {
  readonly manifestDigest: string;
  readonly reference: string;
}

/** `critical.type`. */
const TYPE = 'atomic container signature';

function refuse(what: string): never {
  return refuseSignature('payload', `what it signs is no "${TYPE}": ${what}`);
}

/**
 * Reads the signed JSON as strictly as containers/image does: an unknown or missing member of the document or of
 * `critical` refuses it; further members of `optional` are ignored. Throws `SIGNATURE_REFUSED`.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-signature.5.md#json-data-format
 */
export function readPayload(content: Uint8Array): SignaturePayload {
  const document = readMembers(parse(content), 'document', ['critical', 'optional']);
  const critical = readMembers(document['critical'], 'critical', ['type', 'image', 'identity']);
  const image = readMembers(critical['image'], 'critical.image', ['docker-manifest-digest']);
  const identity = readMembers(critical['identity'], 'critical.identity', ['docker-reference']);
  if (critical['type'] !== TYPE) refuse('critical.type says something else');
  checkOptional(document['optional']);
  return {
    manifestDigest: readText(image['docker-manifest-digest'], 'critical.image.docker-manifest-digest'),
    reference: readText(identity['docker-reference'], 'critical.identity.docker-reference'),
  };
}

function parse(content: Uint8Array): unknown {
  try {
    return parseStrictJson(content);
  } catch (error) {
    return refuse(asSealiftError(error).message);
  }
}

function readMembers(value: unknown, where: string, names: readonly string[]): JsonObject {
  if (!isJsonObject(value)) return refuse(`${where}: expected an object`);
  const missing = names.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) refuse(`${where}: expected a member "${missing}"`);
  if (Object.keys(value).length !== names.length) refuse(`${where}: expected the members ${names.join(', ')} only`);
  return value;
}

function readText(value: unknown, where: string): string {
  return typeof value === 'string' ? value : refuse(`${where}: expected a text`);
}

function checkOptional(optional: unknown): void {
  const { creator, timestamp } = isJsonObject(optional) ? optional : refuse('optional: expected an object');
  if (creator !== undefined && typeof creator !== 'string') refuse('optional.creator: expected a text');
  if (timestamp !== undefined && !isInt64(timestamp)) refuse('optional.timestamp: expected whole seconds');
}

function isInt64(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
}
