import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { SealiftError } from '../../errors/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import type { RawKeyRing } from '../signed-content/index.ts';
import { decodeBase64 } from './strict-object.ts';
import type { SigstoreLimits } from './types.ts';

/** A public key of a kind that is strong enough. */
export interface VerificationKey {
  readonly name: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly rawSpki: Uint8Array;
  readonly kind: KeyKind;
  /** True if the key made the signature over these bytes. */
  verifies(message: Uint8Array, signature: Uint8Array): boolean;
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
const EXPECTED_KINDS = 'P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits';

/** Reads the keys of a requirement, each in a file or text of its own. Throws `POLICY_INVALID`. */
export function readPublicKeys(raw: readonly RawKeyRing[], limits: SigstoreLimits): readonly VerificationKey[] {
  const { maxKeyRingBytes, maxKeyRingKeys } = limits;
  const totalBytes = raw.reduce((total, { rawBytes }) => total + rawBytes.length, 0);
  if (totalBytes > maxKeyRingBytes) {
    const excess = { limit: 'maxKeyRingBytes', expected: maxKeyRingBytes, actual: totalBytes } as const;
    throw limitExceeded('policy: bytes of public keys', excess);
  }
  if (raw.length > maxKeyRingKeys) {
    const excess = { limit: 'maxKeyRingKeys', expected: maxKeyRingKeys, actual: raw.length } as const;
    throw limitExceeded('policy: public keys', excess);
  }
  return raw.map(({ name, rawBytes }) => {
    const refuse = (what: string): never => {
      throw new SealiftError('POLICY_INVALID', `policy: public key ${name}: ${what}`, { context: { path: name } });
    };
    return openKey(
      name,
      isPem(rawBytes) ? readPem(Buffer.from(rawBytes).toString('latin1'), refuse) : rawBytes,
      refuse,
    );
  });
}

/** `sha256:` and the hash of the key in DER. */
export function keyIdOf({ rawSpki }: VerificationKey): string {
  return `sha256:${createHash('sha256').update(rawSpki).digest('hex')}`;
}

function isPem(rawBytes: Uint8Array): boolean {
  return Buffer.from(rawBytes.subarray(0, 64)).toString('latin1').trimStart().startsWith('-----');
}

const PEM = /^-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END \1-----\s*$/;

/**
 * Decodes one block `PUBLIC KEY`, with nothing before and behind it but line ends. Node's own reader would take private
 * keys, certificates and the first of several blocks as well. Calls `refuse` for anything else.
 * https://www.rfc-editor.org/rfc/rfc7468#section-13
 */
export function readPem(text: string, refuse: (what: string) => never): Uint8Array {
  const [, label, lines = ''] = PEM.exec(text) ?? [];
  if (label === undefined) {
    const isSeveral = text.split('-----BEGIN ').length > 2;
    return refuse(isSeveral ? 'expected one PEM block, got several' : 'expected one PEM block "PUBLIC KEY" alone');
  }
  if (label !== 'PUBLIC KEY') return refuse(`expected a PEM block "PUBLIC KEY", got "${label}"`);
  return decodeBase64(lines.replaceAll(/\r?\n/g, '')) ?? refuse('the PEM block is no base64');
}

function openKey(name: string, rawSpki: Uint8Array, refuse: (what: string) => never): VerificationKey {
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
  };
}

/** One key has one encoding, so that keys can be compared by their bytes. */
function parseSpki(rawSpki: Uint8Array, refuse: (what: string) => never): KeyObject {
  const der = Buffer.from(rawSpki);
  const key = attemptParse(der) ?? refuse('expected a public key in PEM, or in DER (SubjectPublicKeyInfo)');
  if (!key.export({ format: 'der', type: 'spki' }).equals(der)) refuse('its DER is not the usual encoding of the key');
  return key;
}

function attemptParse(der: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function kindOf(key: KeyObject, refuse: (what: string) => never): KeyKind {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails = {} } = key;
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails;
  if (type === 'ed25519') return 'Ed25519';
  if (type === 'ec')
    return CURVES.get(namedCurve) ?? refuse(`is on the curve ${namedCurve}; expected ${EXPECTED_KINDS}`);
  if (type !== 'rsa') return refuse(`is of the kind ${type}; expected ${EXPECTED_KINDS}`);
  if (publicExponent < MIN_RSA_EXPONENT || publicExponent % 2n === 0n) {
    refuse(`is RSA with the exponent ${publicExponent}; expected an odd one of at least ${MIN_RSA_EXPONENT}`);
  }
  return modulusLength >= MIN_RSA_BITS ? 'RSA' : refuse(`is RSA of ${modulusLength} bits; expected ${EXPECTED_KINDS}`);
}
