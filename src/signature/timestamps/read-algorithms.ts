import { type DerValue, TAG } from '../certificates/index.ts';
import { refuseTimestamp } from './refuse-timestamp.ts';

/** Object identifier → hash, of those that are strong enough. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** How a signature was made. */
export interface SignatureAlgorithm {
  readonly keys: 'RSA' | 'ECDSA' | 'Ed25519';
  /** `null` where the hash is a part of the algorithm. */
  readonly hash: string | null;
}

/** PKCS#1 v1.5; the hash is that of the signed attributes. */
const RSA_WITH_ANY_HASH = '1.2.840.113549.1.1.1';

const SIGNATURES: ReadonlyMap<string, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  ['1.2.840.10045.4.3.2', { keys: 'ECDSA', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { keys: 'ECDSA', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { keys: 'ECDSA', hash: 'sha512' }],
  ['1.2.840.113549.1.1.11', { keys: 'RSA', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { keys: 'RSA', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { keys: 'RSA', hash: 'sha512' }],
  ['1.3.101.112', { keys: 'Ed25519', hash: null }],
]);

/** Returns the name of a hash. Throws `SIGNATURE_REFUSED` for a weak one. */
export function readHash(value: DerValue): string {
  const algorithm = readAlgorithm(value);
  return HASHES.get(algorithm) ?? refuseTimestamp(`its hash ${algorithm} is not SHA-256, SHA-384 or SHA-512`);
}

/** Throws `SIGNATURE_REFUSED` for an algorithm that is weak or not known. */
export function readSignatureAlgorithm(value: DerValue, digestHash: string): SignatureAlgorithm {
  const algorithm = readAlgorithm(value);
  if (algorithm === RSA_WITH_ANY_HASH) return { keys: 'RSA', hash: digestHash };
  return (
    SIGNATURES.get(algorithm) ?? refuseTimestamp(`its signature is by an algorithm that is not known: ${algorithm}`)
  );
}

/** These algorithms have no parameters, or NULL. */
function readAlgorithm(value: DerValue): string {
  const members = value.members();
  const algorithm = members.next().objectIdentifier();
  members.nextIf(TAG.null);
  members.end();
  return algorithm;
}
