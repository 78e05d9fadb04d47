import type { KeyKind } from './open-public-key.ts';
import type { Certificate } from './types.ts';

const CURVES: readonly KeyKind[] = ['P-256', 'P-384', 'P-521'];

interface Algorithm {
  readonly hash: string | null;
  readonly kinds: readonly KeyKind[];
}

/** https://www.rfc-editor.org/rfc/rfc5758#section-3.2, rfc4055#section-5 and rfc8410#section-3. SHA-1 is not among them. */
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ['1.2.840.10045.4.3.2', { hash: 'sha256', kinds: CURVES }],
  ['1.2.840.10045.4.3.3', { hash: 'sha384', kinds: CURVES }],
  ['1.2.840.10045.4.3.4', { hash: 'sha512', kinds: CURVES }],
  ['1.2.840.113549.1.1.11', { hash: 'sha256', kinds: ['RSA'] }],
  ['1.2.840.113549.1.1.12', { hash: 'sha384', kinds: ['RSA'] }],
  ['1.2.840.113549.1.1.13', { hash: 'sha512', kinds: ['RSA'] }],
  ['1.3.101.112', { hash: null, kinds: ['Ed25519'] }],
]);

/** Returns why a certificate is not signed by the key of the other one; undefined if it is. */
export function issuingProblem(certificate: Certificate, issuer: Certificate): string | undefined {
  const { algorithm: id, rawTbs, signature } = certificate;
  const algorithm = ALGORITHMS.get(id);
  if (algorithm === undefined) return `is signed with the algorithm ${id}, which does not count`;
  const isSigned =
    algorithm.kinds.includes(issuer.key.kind) && issuer.key.verifiesWith(algorithm.hash, rawTbs, signature);
  return isSigned ? undefined : 'is not signed by the authority that it names';
}
