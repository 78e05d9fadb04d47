import {
  constants,
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';

/** A flattened JWE; a test changes parts of it. */
export type Jwe = Record<string, unknown>;

/** What differs from a right answer. */
export interface SealOptions {
  readonly header?: Readonly<Record<string, unknown>>;
  /** The member `aad`, as it is sent. */
  readonly aad?: string;
  readonly contentKey?: Buffer;
}

const encode = (data: Uint8Array | string): string => Buffer.from(data).toString('base64url');

function prefixed(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

function wrapForCurve(publicKey: KeyObject, contentKey: Buffer) {
  const namedCurve = publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const ephemeral = generateKeyPairSync('ec', { namedCurve });
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
  const bits = Buffer.from([0, 0, 1, 0]);
  const info = Buffer.concat([prefixed('ECDH-ES+A256KW'), prefixed(''), prefixed(''), bits]);
  const key = createHash('sha256')
    .update(Buffer.concat([Buffer.from([0, 0, 0, 1]), shared, info]))
    .digest();
  const wrap = createCipheriv('id-aes256-wrap', key, Buffer.alloc(8, 0xa6));
  const encryptedKey = Buffer.concat([wrap.update(contentKey), wrap.final()]);
  return { encryptedKey, header: { alg: 'ECDH-ES+A256KW', epk: ephemeral.publicKey.export({ format: 'jwk' }) } };
}

function wrapForRsa(key: KeyObject, contentKey: Buffer) {
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  return { encryptedKey: publicEncrypt({ key, ...padding }, contentKey), header: { alg: 'RSA-OAEP-256' } };
}

/** Encrypts a resource as a key broker does. */
export function sealAnswer(plaintext: Uint8Array, publicKey: KeyObject, options: SealOptions = {}): Jwe {
  const { header = {}, aad, contentKey = randomBytes(32) } = options;
  const wrap = publicKey.asymmetricKeyType === 'rsa' ? wrapForRsa : wrapForCurve;
  const wrapped = wrap(publicKey, contentKey);
  const encodedHeader = encode(JSON.stringify({ enc: 'A256GCM', ...wrapped.header, ...header }));
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', contentKey.length === 32 ? contentKey : randomBytes(32), iv);
  cipher.setAAD(Buffer.from(aad === undefined ? encodedHeader : `${encodedHeader}.${aad}`));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return {
    protected: encodedHeader,
    encrypted_key: encode(wrapped.encryptedKey),
    iv: encode(iv),
    ciphertext: encode(ciphertext),
    tag: encode(cipher.getAuthTag()),
    ...(aad === undefined ? {} : { aad }),
  };
}

/** Changes one bit of a member in base64url. */
export function flipBit(jwe: Jwe, member: string): Jwe {
  const bytes = Buffer.from(String(jwe[member]), 'base64url');
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  return { ...jwe, [member]: encode(bytes) };
}
