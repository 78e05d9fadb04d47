import {
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { isJsonObject, type JsonObject } from '../oci/index.ts';
import { answerInvalid, decodeExactly, parseSecretJson } from './read-answer.ts';

/** https://www.rfc-editor.org/rfc/rfc7516#section-7.2.2: the members of the flattened form, without unprotected headers. */
const MEMBERS: ReadonlySet<string> = new Set(['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag', 'aad']);

/**
 * Header parameters that change how the rest is read. No key broker sends them. `zip` would make the size of the
 * plaintext unknown (CVE-2024-28176), and what `crit` lists has to be understood.
 */
const REFUSED_PARAMETERS = ['crit', 'zip', 'apu', 'apv', 'b64', 'p2s', 'p2c'] as const;

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** An AES key wrap is 8 bytes longer than the key. https://www.rfc-editor.org/rfc/rfc3394#section-2.2.1 */
const WRAPPED_BYTES = KEY_BYTES + 8;
const WRAP_IV = Buffer.alloc(8, 0xa6);

interface Curve {
  readonly name: string;
  readonly coordinateBytes: number;
}

/** Curves by the names that Node has for them. https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.1 */
const CURVES: ReadonlyMap<string | undefined, Curve> = new Map([
  ['prime256v1', { name: 'P-256', coordinateBytes: 32 }],
  ['secp384r1', { name: 'P-384', coordinateBytes: 48 }],
  ['secp521r1', { name: 'P-521', coordinateBytes: 66 }],
]);

type UnwrapKey = (encryptedKey: Buffer, header: JsonObject, privateKey: KeyObject) => Buffer;

interface KeyAlgorithm {
  readonly keyType: KeyObject['asymmetricKeyType'];
  readonly unwrap: UnwrapKey;
}

/** https://www.rfc-editor.org/rfc/rfc7518#section-4.1 */
const KEY_ALGORITHMS: ReadonlyMap<unknown, KeyAlgorithm> = new Map<unknown, KeyAlgorithm>([
  ['ECDH-ES+A256KW', { keyType: 'ec', unwrap: unwrapByAgreement }],
  ['RSA-OAEP-256', { keyType: 'rsa', unwrap: unwrapByRsa }],
]);

/**
 * Decrypts the answer of a key broker: a flattened JWE for the key of the attestation agent, ECDH-ES+A256KW or
 * RSA-OAEP-256 with A256GCM. Throws `KEYBROKER_ANSWER_INVALID`; whatever fails in the decryption has the same message.
 */
export function openJwe(raw: Uint8Array, privateKey: KeyObject, subject: string): Buffer {
  const jwe = parseSecretJson(raw, subject);
  const unknown = Object.keys(jwe).find((member) => !MEMBERS.has(member));
  if (unknown !== undefined) throw answerInvalid(subject, 'expected a flattened JWE without other members');
  const { protected: encodedHeader, aad } = jwe;
  const rawHeader = decodeExactly(encodedHeader, 'base64url');
  if (typeof encodedHeader !== 'string' || rawHeader === undefined) throw malformed(subject, 'protected');
  const header = parseSecretJson(rawHeader, `${subject}: protected header`);
  const algorithm = judgeHeader(header, privateKey, subject);
  const part = (name: string, length?: number): Buffer => {
    const bytes = decodeExactly(jwe[name], 'base64url');
    if (bytes === undefined || (length !== undefined && bytes.length !== length)) throw malformed(subject, name);
    return bytes;
  };
  const encryptedKey = part('encrypted_key');
  const iv = part('iv', IV_BYTES);
  const tag = part('tag', TAG_BYTES);
  const ciphertext = part('ciphertext');
  if (aad !== undefined && decodeExactly(aad, 'base64url') === undefined) throw malformed(subject, 'aad');
  try {
    const key = algorithm.unwrap(encryptedKey, header, privateKey);
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
    // https://www.rfc-editor.org/rfc/rfc7516#section-5.1: the header as it was sent, and not as it would be written again.
    decipher.setAAD(Buffer.from(typeof aad === 'string' ? `${encodedHeader}.${aad}` : encodedHeader, 'ascii'));
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    // One message for all: what failed, and where, would help to guess a key.
    throw answerInvalid(subject, 'it cannot be decrypted with the key of the attestation agent');
  }
}

/** Never shown: the caller of the decryption replaces it. */
function unusable(): Error {
  return answerInvalid('key of the answer', 'it cannot be used');
}

function malformed(subject: string, member: string): Error {
  return answerInvalid(subject, `expected a flattened JWE with a valid "${member}"`);
}

function judgeHeader(header: JsonObject, { asymmetricKeyType }: KeyObject, subject: string): KeyAlgorithm {
  const refused = REFUSED_PARAMETERS.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw answerInvalid(subject, `expected a JWE without "${refused}" in its header`);
  const { alg, enc } = header;
  if (enc !== 'A256GCM') throw answerInvalid(subject, 'expected a JWE with "enc" A256GCM');
  const algorithm = KEY_ALGORITHMS.get(alg);
  if (algorithm === undefined) {
    throw answerInvalid(subject, `expected a JWE with "alg" ${[...KEY_ALGORITHMS.keys()].join(' or ')}`);
  }
  if (algorithm.keyType !== asymmetricKeyType) {
    throw answerInvalid(
      subject,
      `expected a JWE for the key of the attestation agent, got one for another kind of key`,
    );
  }
  return algorithm;
}

/** https://www.rfc-editor.org/rfc/rfc7518#section-4.6 */
function unwrapByAgreement(encryptedKey: Buffer, { alg, epk }: JsonObject, privateKey: KeyObject): Buffer {
  const curve = CURVES.get(privateKey.asymmetricKeyDetails?.namedCurve);
  if (curve === undefined || encryptedKey.length !== WRAPPED_BYTES) throw unusable();
  const publicKey = readEphemeralKey(epk, curve);
  const wrappingKey = deriveKey(diffieHellman({ privateKey, publicKey }), String(alg));
  const unwrap = createDecipheriv('id-aes256-wrap', wrappingKey, WRAP_IV);
  return Buffer.concat([unwrap.update(encryptedKey), unwrap.final()]);
}

function readEphemeralKey(epk: unknown, { name, coordinateBytes }: Curve): KeyObject {
  if (!isJsonObject(epk)) throw unusable();
  const { kty, crv, x, y, d } = epk;
  const isCoordinate = (value: unknown): value is string =>
    decodeExactly(value, 'base64url')?.length === coordinateBytes;
  if (kty !== 'EC' || crv !== name || d !== undefined || !isCoordinate(x) || !isCoordinate(y)) {
    throw unusable();
  }
  // Throws for a point that is not on the curve.
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: name, x, y } });
}

/** One round of Concat KDF with SHA-256. https://www.rfc-editor.org/rfc/rfc7518#section-4.6.2 */
function deriveKey(sharedSecret: Buffer, algorithm: string): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const name = Buffer.from(algorithm, 'ascii');
  const noParty = number(0);
  return createHash('sha256')
    .update(
      Buffer.concat([number(1), sharedSecret, number(name.length), name, noParty, noParty, number(KEY_BYTES * 8)]),
    )
    .digest();
}

function unwrapByRsa(encryptedKey: Buffer, _header: JsonObject, privateKey: KeyObject): Buffer {
  // OAEP is the default padding. https://nodejs.org/api/crypto.html#cryptoprivatedecryptprivatekey-buffer
  const key = privateDecrypt({ key: privateKey, oaepHash: 'sha256' }, encryptedKey);
  if (key.length !== KEY_BYTES) throw unusable();
  return key;
}
