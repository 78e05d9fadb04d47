import { asSealiftError } from '../../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { refuseSignature } from './refuse-signature.ts';

/** What a signature says: which bytes, under which name. */
interface SignaturePayload {
  readonly manifestDigest: string;
  readonly reference: string;
}

/** Which signatures are meant. */
export interface PayloadKind {
  /** `critical.type`. */
  readonly type: string;
  /** Cosign writes `"optional": null` when there is nothing to say. */
  readonly mayLackOptional: boolean;
}

type Refuse = (what: string) => never;

/**
 * Reads the signed JSON as strictly as containers/image does: an unknown or missing member of the document or of
 * `critical` refuses it; further members of `optional` are ignored. Throws `SIGNATURE_REFUSED`.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-signature.5.md#json-data-format
 */
export function readPayload(content: Uint8Array, { type, mayLackOptional }: PayloadKind): SignaturePayload {
  const refuse: Refuse = (what) => refuseSignature('payload', `what it signs is no "${type}": ${what}`);
  const document = readMembers(parse(content, refuse), ['document', 'critical', 'optional'], refuse);
  const critical = readMembers(document['critical'], ['critical', 'type', 'image', 'identity'], refuse);
  const image = readMembers(critical['image'], ['critical.image', 'docker-manifest-digest'], refuse);
  const identity = readMembers(critical['identity'], ['critical.identity', 'docker-reference'], refuse);
  if (critical['type'] !== type) refuse('critical.type says something else');
  const { optional } = document;
  if (!(mayLackOptional && optional === null)) checkOptional(optional, refuse);
  return {
    manifestDigest: readText(image, ['critical.image', 'docker-manifest-digest'], refuse),
    reference: readText(identity, ['critical.identity', 'docker-reference'], refuse),
  };
}

function parse(content: Uint8Array, refuse: Refuse): unknown {
  try {
    return parseStrictJson(content);
  } catch (error) {
    return refuse(asSealiftError(error).message);
  }
}

function readMembers(value: unknown, [where, ...names]: readonly string[], refuse: Refuse): JsonObject {
  if (!isJsonObject(value)) return refuse(`${where}: expected an object`);
  const missing = names.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) refuse(`${where}: expected a member "${missing}"`);
  if (Object.keys(value).length !== names.length) refuse(`${where}: expected the members ${names.join(', ')} only`);
  return value;
}

function readText(object: JsonObject, [where, name]: readonly [string, string], refuse: Refuse): string {
  const value = object[name];
  return typeof value === 'string' ? value : refuse(`${where}.${name}: expected a text`);
}

function checkOptional(optional: unknown, refuse: Refuse): void {
  const { creator, timestamp } = isJsonObject(optional) ? optional : refuse('optional: expected an object');
  if (creator !== undefined && typeof creator !== 'string') refuse('optional.creator: expected a text');
  if (timestamp !== undefined && !isInt64(timestamp)) refuse('optional.timestamp: expected whole seconds');
}

function isInt64(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
}
