import { createPublicKey } from 'node:crypto';
import { openPublicKey, type VerificationKey } from '../../certificates/index.ts';
import type { StrictObject } from '../strict-object.ts';

/** What a root says of a key → what the key has to be. */
const KINDS: ReadonlyMap<string, VerificationKey['kind']> = new Map<string, VerificationKey['kind']>([
  ['PKIX_ECDSA_P256_SHA_256', 'P-256'],
  ['PKIX_ECDSA_P384_SHA_256', 'P-384'],
  ['PKIX_ECDSA_P384_SHA_384', 'P-384'],
  ['PKIX_ECDSA_P521_SHA_256', 'P-521'],
  ['PKIX_ECDSA_P521_SHA_512', 'P-521'],
  ['PKIX_RSA_PKCS1V15_2048_SHA256', 'RSA'],
  ['PKIX_RSA_PKCS1V15_3072_SHA256', 'RSA'],
  ['PKIX_RSA_PKCS1V15_4096_SHA256', 'RSA'],
  ['PKIX_RSA_PKCS1V5', 'RSA'],
  ['PKCS1_RSA_PKCS1V5', 'RSA'],
  ['PKIX_ED25519', 'Ed25519'],
]);

/** Old logs of certificates have such keys. https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1 */
const PKCS1 = 'PKCS1_RSA_PKCS1V5';

/**
 * Opens the key of a log, which has to be of the kind that the root says. `name` is for messages.
 * https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_common.proto
 */
export function readLogKey(publicKey: StrictObject, name: string): VerificationKey {
  const details = publicKey.text('keyDetails');
  const kind = KINDS.get(details) ?? publicKey.refuse('keyDetails', `expected one of ${[...KINDS.keys()].join(', ')}`);
  const refuse = (what: string) => publicKey.refuse('rawBytes', what);
  const rawBytes = publicKey.bytes('rawBytes');
  const key = openPublicKey(name, details === PKCS1 ? readPkcs1(rawBytes, refuse) : rawBytes, refuse);
  return key.kind === kind ? key : publicKey.refuse('keyDetails', `expected a key of the kind ${key.kind}`);
}

function readPkcs1(rawBytes: Buffer, refuse: (what: string) => never): Buffer {
  const key = attemptParse(rawBytes);
  const isSame = key?.export({ format: 'der', type: 'pkcs1' }).equals(rawBytes) === true;
  return key !== undefined && isSame
    ? key.export({ format: 'der', type: 'spki' })
    : refuse('expected a public key of RSA in DER (RSAPublicKey)');
}

function attemptParse(rawBytes: Buffer) {
  try {
    return createPublicKey({ key: rawBytes, format: 'der', type: 'pkcs1' });
  } catch {
    return undefined;
  }
}
