import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Refuse } from './read-der.ts';

/** A public key of a kind that is strong enough. */
export interface VerificationKey {
  readonly name: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly rawSpki: Uint8Array;
  readonly kind: KeyKind;
  /** True if the key made the signature over these bytes. */
  verifies(message: Uint8Array, signature: Uint8Array): boolean;
  /** The same with this hash, which others have chosen: it is `null` for Ed25519, and PKCS#1 v1.5 is meant for RSA. */
  verifiesWith(hash: string | null, message: Uint8Array, signature: Uint8Array): boolean;
}

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'Ed25519';

/** Node's name of the curve → its usual name. */
const CURVES: ReadonlyMap<string | undefined, KeyKind> = new Map<string, KeyKind>([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

/** Cosign used SHA-256 with every key until July 2026, and since then the hash of the curve's size. */
const HASHES: Readonly<Record<KeyKind, readonly (string | null)[]>> = {
  'P-256': ['sha256'],
  'P-384': ['sha384', 'sha256'],
  'P-521': ['sha512', 'sha256'],
  // PKCS#1 v1.5
  RSA: ['sha256'],
  // The hash is a part of the algorithm.
  Ed25519: [null],
};

/** The length of a key in DER, with a named curve and a point that is not compressed. */
const SPKI_BYTES: ReadonlyMap<KeyKind, number> = new Map([
  ['P-256', 91],
  ['P-384', 120],
  ['P-521', 158],
  ['Ed25519', 44],
]);

const MIN_RSA_BITS = 2048;
const MIN_RSA_EXPONENT = 3n;
/** The largest one that Go accepts, and so cosign. A larger one would only make each verification slower. */
const MAX_RSA_EXPONENT = 2n ** 31n - 1n;
/** RSA of 16384 bits has half of it. Node's time to read the numbers of a key grows with the square of their length. */
const MAX_SPKI_BYTES = 4096;
const EXPECTED_KINDS = 'P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits';

/** `sha256:` and the hash of the key in DER. */
export function keyIdOf({ rawSpki }: VerificationKey): string {
  return `sha256:${createHash('sha256').update(rawSpki).digest('hex')}`;
}

/** Opens a SubjectPublicKeyInfo in DER. `name` is for messages. Calls `refuse` for a key that is weak or of another kind. */
export function openPublicKey(name: string, rawSpki: Uint8Array, refuse: Refuse): VerificationKey {
  const key = parseSpki(rawSpki, refuse);
  const kind = kindOf(key, refuse);
  if (rawSpki.length !== (SPKI_BYTES.get(kind) ?? rawSpki.length)) {
    refuse('expected a named curve and a point that is not compressed');
  }
  return {
    name,
    rawSpki,
    kind,
    verifies: (message, signature) => HASHES[kind].some((hash) => verify(hash, message, key, signature)),
    verifiesWith: (hash, message, signature) => verify(hash, message, key, signature),
  };
}

/** One key has one encoding, so that keys can be compared by their bytes. */
function parseSpki(rawSpki: Uint8Array, refuse: Refuse): KeyObject {
  if (rawSpki.length > MAX_SPKI_BYTES) refuse(`expected a public key of at most ${MAX_SPKI_BYTES} bytes`);
  const der = Buffer.from(rawSpki);
  const parsed = attemptParse(der) ?? refuse('expected a public key in PEM, or in DER (SubjectPublicKeyInfo)');
  if (!parsed.encoded.equals(der)) refuse('its DER is not the usual encoding of the key');
  return parsed.key;
}

interface ParsedKey {
  readonly key: KeyObject;
  readonly encoded: Buffer;
}

/** A point at infinity is read without an error, and cannot be written. */
function attemptParse(der: Buffer): ParsedKey | undefined {
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return { key, encoded: key.export({ format: 'der', type: 'spki' }) };
  } catch {
    return undefined;
  }
}

function kindOf(key: KeyObject, refuse: Refuse): KeyKind {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails = {} } = key;
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails;
  if (type === 'ed25519') return 'Ed25519';
  if (type === 'ec')
    return CURVES.get(namedCurve) ?? refuse(`is on the curve ${namedCurve}; expected ${EXPECTED_KINDS}`);
  if (type !== 'rsa') return refuse(`is of the kind ${type}; expected ${EXPECTED_KINDS}`);
  if (publicExponent > MAX_RSA_EXPONENT) refuse(`is RSA with an exponent above ${MAX_RSA_EXPONENT}`);
  if (publicExponent < MIN_RSA_EXPONENT || publicExponent % 2n === 0n) {
    refuse(`is RSA with the exponent ${publicExponent}; expected an odd one of at least ${MIN_RSA_EXPONENT}`);
  }
  return modulusLength >= MIN_RSA_BITS ? 'RSA' : refuse(`is RSA of ${modulusLength} bits; expected ${EXPECTED_KINDS}`);
}
