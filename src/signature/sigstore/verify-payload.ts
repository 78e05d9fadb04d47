import { readPemBlock, readPemBlocks } from '../certificates/index.ts';
import { decodeBase64, readPayload, refuseSignature, requireContent } from '../signed-content/index.ts';
import type { Trust } from './read-author.ts';
import { readLogAnnotation, readTimestampAnnotation } from './read-log-entry.ts';
import type { VerifiedSignature } from './require-logged.ts';
import type { TimeEvidence } from './trust-types.ts';
import type { SigstoreSignatureRequest } from './types.ts';
import { findSigningKey, type SigningKey } from './verify-author.ts';

/** A signature whose key is known, with what logs say of it. */
export interface AuthenticSignature {
  readonly signing: SigningKey;
  readonly verified: VerifiedSignature;
  readonly evidence: TimeEvidence;
  /** Compares what was signed with the image, and returns the name in it. Throws `SIGNATURE_REFUSED`. */
  requireImage(): string | undefined;
}

/** The media type of a layer that is the payload of a signature by cosign before version 3. */
export const PAYLOAD_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

const SIGNATURE = 'dev.cosignproject.cosign/signature';
const LOG_BUNDLE = 'dev.sigstore.cosign/bundle';
const TIMESTAMP = 'dev.sigstore.cosign/rfc3161timestamp';
const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const CHAIN = 'dev.sigstore.cosign/chain';
const PAYLOAD = { type: 'cosign container image signature', mayLackOptional: true } as const;

/**
 * Verifies a signature of cosign's first format: a payload, and in annotations the signature over its bytes and perhaps a
 * certificate, which says nothing where the policy names keys. Throws `SIGNATURE_REFUSED`.
 * https://github.com/sigstore/cosign/blob/v2.6.0/specs/SIGNATURE_SPEC.md
 */
export function verifyPayload(request: SigstoreSignatureRequest, trust: Trust): AuthenticSignature {
  const { annotations, rawBytes: message, limits } = request;
  const signature = readSignature(annotations[SIGNATURE]);
  const { author } = trust;
  const certificates = author.kind === 'keys' ? [] : readCertificates(annotations);
  const evidence = readEvidence(request, trust);
  const signing = findSigningKey(author, { message, signature, certificates }, limits);
  return {
    signing,
    verified: { key: signing.key, certificate: signing.certificate, signature, message },
    evidence,
    requireImage: () => {
      const payload = readPayload(message, PAYLOAD);
      requireContent(payload, request);
      return payload.reference;
    },
  };
}

/** Nothing is read that no log and no timestamp authority of the policy could vouch for. */
function readEvidence(
  { annotations, limits }: SigstoreSignatureRequest,
  { logs, timestampAuthorities }: Trust,
): TimeEvidence {
  const logBundle = logs.length === 0 ? undefined : annotations[LOG_BUNDLE];
  const timestamp = timestampAuthorities.length === 0 ? undefined : annotations[TIMESTAMP];
  return {
    logEntries: logBundle === undefined ? [] : [readLogAnnotation(logBundle)],
    timestamps: timestamp === undefined ? [] : [readTimestampAnnotation(timestamp)],
    bound: { maxDepth: limits.maxDerDepth },
  };
}

/** Returns the certificate and what is to lead to its authority, of which cosign writes an empty text if there is none. */
function readCertificates(annotations: SigstoreSignatureRequest['annotations']): readonly Uint8Array[] {
  const { [CERTIFICATE]: certificate, [CHAIN]: chain = '' } = annotations;
  if (certificate === undefined) return [];
  const refuse = (name: string) => (what: string) => refuseSignature('malformed', `its annotation ${name}: ${what}`);
  const own = readPemBlock(certificate, 'CERTIFICATE', refuse(CERTIFICATE));
  return chain === '' ? [own] : [own, ...readPemBlocks(chain, 'CERTIFICATE', refuse(CHAIN))];
}

function readSignature(annotation: string | undefined): Uint8Array {
  if (annotation === undefined) return refuseSignature('unsigned', `its layer has no annotation ${SIGNATURE}`);
  const signature = decodeBase64(annotation);
  if (signature !== undefined && signature.length > 0) return signature;
  return refuseSignature('malformed', `its annotation ${SIGNATURE} is no base64`);
}
