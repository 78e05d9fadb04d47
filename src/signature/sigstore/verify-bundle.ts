import { createHash } from 'node:crypto';
import {
  printable,
  refuseSignature,
  requireDigest,
  requireIdentity,
  SignatureRefusal,
} from '../signed-content/index.ts';
import type { Trust } from './read-author.ts';
import { type Bundle, type BundleContent, readBundle } from './read-bundle.ts';
import { readStatement, type Statement } from './read-statement.ts';
import type { SigstoreSignatureRequest } from './types.ts';
import { findSigningKey, type SigningKey } from './verify-author.ts';
import type { AuthenticSignature } from './verify-payload.ts';

/** What `cosign sign` writes. Any other statement, such as a provenance or an SBOM, says something about the image. */
const SIGNATURE_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** Verifies a bundle, whose signature is by a key or by that of a certificate. Throws `SIGNATURE_REFUSED`. */
export function verifyBundle(request: SigstoreSignatureRequest, { author }: Trust): AuthenticSignature {
  const { rawBytes, limits } = request;
  const bundle = readBundle(rawBytes, limits);
  const { content, logEntries, timestamps, certificates = [] } = bundle;
  if (author.kind === 'keys' && certificates.length > 0) {
    throw new SignatureRefusal(
      'certificate',
      'it is by the key of a certificate (keyless); the requirement names keys',
      {
        remedy:
          'sign the image with cosign sign --key; or, if you trust this author, write fulcio or pki in place of the key',
      },
    );
  }
  requireLogForm(bundle);
  const findKey: FindKey = (message, signature) => findSigningKey(author, { message, signature, certificates }, limits);
  return {
    ...(content.kind === 'dsse' ? verifyEnvelope(content, request, findKey) : verifyMessage(content, request, findKey)),
    evidence: { logEntries, timestamps, bound: { maxDepth: limits.maxDerDepth } },
  };
}

type FindKey = (message: Uint8Array, signature: Uint8Array) => SigningKey;

type Content<Kind extends BundleContent['kind']> = Extract<BundleContent, { kind: Kind }>;
type VerifiedContent = Omit<AuthenticSignature, 'evidence'>;

function verifyEnvelope(
  { payloadType, untrustedPayload: payload, signature }: Content<'dsse'>,
  request: SigstoreSignatureRequest,
  findKey: FindKey,
): VerifiedContent {
  if (payloadType !== PAYLOAD_TYPE) {
    refuseSignature('payload', `it signs "${printable(payloadType)}"; expected "${PAYLOAD_TYPE}"`);
  }
  // Its limit holds before anything is verified; what it says counts afterwards.
  const statement = readStatement(payload, request.limits);
  const message = encodePreAuthentication(payloadType, payload);
  const signing = findKey(message, signature);
  return {
    signing,
    verified: { key: signing.key, certificate: signing.certificate, signature, message, payload },
    requireImage: () => requireStatement(statement, request),
  };
}

function verifyMessage(
  content: Content<'message'>,
  request: SigstoreSignatureRequest,
  findKey: FindKey,
): VerifiedContent {
  const { signature } = content;
  const message = findDocument(content, request);
  const signing = findKey(message, signature);
  const verified = { key: signing.key, certificate: signing.certificate, signature, message };
  return { signing, verified, requireImage: () => requireIdentity([undefined], request) };
}

/** https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto says which version needs what. */
function requireLogForm({ version, logEntries }: Bundle): void {
  for (const { promise, proof } of logEntries) {
    if (version === '0.1' && promise === undefined) {
      refuseSignature('log', 'its log entry has no promise, which a bundle of version 0.1 needs');
    }
    if (version !== '0.1' && proof === undefined) {
      refuseSignature('log', `its log entry has no inclusion proof, which a bundle of version ${version} needs`);
    }
  }
}

/** https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md#signature-definition */
function encodePreAuthentication(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `), payload]);
}

// docs/adr/0027-identity-of-bundles.md
/** Returns the name of a subject that is this image, of which the statement has to be a signature. */
function requireStatement(
  { predicateType, subjects }: Statement,
  request: SigstoreSignatureRequest,
): string | undefined {
  const own = subjects.filter(({ digests }) => {
    return digests.length > 0 && digests.every((digest) => request.digests.some((each) => each === digest));
  });
  if (own.length === 0) return requireNoDigest(subjects, request);
  if (predicateType !== SIGNATURE_PREDICATE && !request.predicateTypes.includes(predicateType)) {
    const listed = JSON.stringify([predicateType]);
    const text = `it is an attestation with the predicate "${printable(predicateType)}", and no signature`;
    const remedy = `to accept such an attestation as a signature, write "predicateTypes": ${printable(listed)}`;
    throw new SignatureRefusal('predicate', text, { remedy });
  }
  return requireIdentity(
    own.map(({ name }) => name),
    request,
  );
}

function requireNoDigest(subjects: Statement['subjects'], request: SigstoreSignatureRequest): never {
  const signed = subjects.flatMap(({ digests }) => digests);
  requireDigest(signed, request);
  return refuseSignature('digest', 'it is for a subject that has a digest of this image and one of another');
}

const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
]);

/** A message signature is for the bytes of a manifest or index, and says their digest besides. */
function findDocument({ digest }: Content<'message'>, { documents, digests }: SigstoreSignatureRequest): Uint8Array {
  const algorithm = ALGORITHMS.get(digest.algorithm);
  if (algorithm === undefined) {
    return refuseSignature('malformed', `its digest is by the algorithm "${printable(digest.algorithm)}"`);
  }
  const found = documents.find((bytes) => createHash(algorithm).update(bytes).digest().equals(digest.value));
  if (found !== undefined) return found;
  const signed = `${algorithm}:${Buffer.from(digest.value).toString('hex')}`;
  const image = digests.filter((each) => each.startsWith('sha256:')).join(', ');
  return refuseSignature('digest', `it is for ${printable(signed)}, not for this image (${image})`);
}
