import { readPayload, refuseSignature, requireContent } from '../signed-content/index.ts';
import { type LogEntry, readLogAnnotation } from './read-log-entry.ts';
import type { VerificationKey } from './read-public-keys.ts';
import type { VerifiedSignature } from './require-logged.ts';
import { decodeBase64 } from './strict-object.ts';
import type { SigstoreSignatureRequest } from './types.ts';
import { findAuthor } from './verify-author.ts';

/** A signature whose author is known, with what a log says of it. */
export interface AuthenticSignature {
  readonly verified: VerifiedSignature;
  readonly logEntries: readonly LogEntry[];
  /** Compares what was signed with the image, and returns the name in it. Throws `SIGNATURE_REFUSED`. */
  requireImage(): string | undefined;
}

/** The media type of a layer that is the payload of a signature by cosign before version 3. */
export const PAYLOAD_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

const SIGNATURE = 'dev.cosignproject.cosign/signature';
const LOG_BUNDLE = 'dev.sigstore.cosign/bundle';
const PAYLOAD = { type: 'cosign container image signature', mayLackOptional: true } as const;

/**
 * Verifies a signature of cosign's first format: a payload, and in an annotation the signature over its bytes. A
 * certificate beside it says nothing here, since the keys of the policy count. Throws `SIGNATURE_REFUSED`.
 * https://github.com/sigstore/cosign/blob/v2.6.0/specs/SIGNATURE_SPEC.md
 */
export function verifyPayload(request: SigstoreSignatureRequest, keys: readonly VerificationKey[]): AuthenticSignature {
  const { annotations, rawBytes: message, logKeys } = request;
  const signature = readSignature(annotations[SIGNATURE]);
  const logBundle = logKeys === undefined ? undefined : annotations[LOG_BUNDLE];
  const logEntries = logBundle === undefined ? [] : [readLogAnnotation(logBundle)];
  const key = findAuthor(keys, message, signature);
  return {
    verified: { key, signature, message },
    logEntries,
    requireImage: () => {
      const payload = readPayload(message, PAYLOAD);
      requireContent(payload, request);
      return payload.reference;
    },
  };
}

function readSignature(annotation: string | undefined): Uint8Array {
  if (annotation === undefined) return refuseSignature('unsigned', `its layer has no annotation ${SIGNATURE}`);
  const signature = decodeBase64(annotation);
  if (signature !== undefined && signature.length > 0) return signature;
  return refuseSignature('malformed', `its annotation ${SIGNATURE} is no base64`);
}
