import { type Certificate, readCertificate, type VerificationKey } from '../certificates/index.ts';
import { refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import type { Author, CertificateAuthor } from './read-author.ts';
import { refuseCertificate } from './refuse-certificate.ts';
import { requireWithin } from './strict-object.ts';
import type { SigstoreLimits } from './types.ts';

/** A signature with what is beside it. */
export interface SignedBytes {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** In DER, that of the author first; empty if there is none. */
  readonly certificates: readonly Uint8Array[];
}

/** The key that made a signature. Whether a certificate of it counts is not known yet. */
export interface SigningKey {
  readonly key: VerificationKey;
  /** Undefined: the policy names the key. */
  readonly certificate: Certificate | undefined;
  /** What came beside it, and may lead to an authority. */
  readonly chain: readonly Certificate[];
}

/** Returns the key that made the signature over these bytes. Throws `SIGNATURE_REFUSED` if no key of the author did. */
export function findSigningKey(author: Author, signed: SignedBytes, limits: SigstoreLimits): SigningKey {
  return author.kind === 'keys' ? findKey(author.keys, signed) : findCertificate(author, signed, limits);
}

function findKey(keys: readonly VerificationKey[], { message, signature }: SignedBytes): SigningKey {
  const key = keys.find((each) => each.verifies(message, signature));
  if (key !== undefined) return { key, certificate: undefined, chain: [] };
  const names = keys.map(({ name }) => name).join(', ');
  // Node has no Ed25519ph, so it cannot be told from a signature by another key.
  const isEdwards = signature.length === ED25519_BYTES && keys.some(({ kind }) => kind === 'Ed25519');
  const prehashed = isEdwards
    ? '; with Ed25519 keys cosign 3.1 makes Ed25519ph signatures, which do not count: sign with an ECDSA P-256 key'
    : '';
  const text = `it is not by the key of the requirement (${names}), or is for other content${prehashed}`;
  throw new SignatureRefusal('not-authentic', text, {
    remedy:
      'sign the image with this key; or, if you trust the owner of the other key, list its public key as well (keyPaths, keyDatas)',
  });
}

const ED25519_BYTES = 64;

/** The key of the first certificate has to have made the signature. Its issuer is not looked at yet. */
function findCertificate(author: CertificateAuthor, signed: SignedBytes, limits: SigstoreLimits): SigningKey {
  const { message, signature, certificates } = signed;
  if (certificates.length === 0) {
    const remedy = 'sign the image with a certificate, or write the public key into keyPath instead';
    throw new SignatureRefusal('certificate', `it has no certificate; the requirement is ${author.kind}`, { remedy });
  }
  requireWithin(certificates.length, 'certificates', { limits, limit: 'maxBundleCertificates' });
  const bound = { maxDepth: limits.maxDerDepth };
  const [certificate, ...chain] = certificates.map((raw) => readCertificate(raw, bound, refuseCertificate));
  if (certificate === undefined) return refuseCertificate('expected one');
  if (certificate.key.verifies(message, signature)) return { key: certificate.key, certificate, chain };
  return refuseSignature('not-authentic', 'it is not by the key of its certificate, or is for other content');
}
