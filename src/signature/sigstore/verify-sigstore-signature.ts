import { createHash } from 'node:crypto';
import { printable, type RawKeyRing, refusalOf, refuseSignature } from '../signed-content/index.ts';
import { proveTimes } from './prove-times.ts';
import { readAuthor, type Trust } from './read-author.ts';
import { BUNDLE_VERSIONS } from './read-bundle.ts';
import { readPublicKeys } from './read-public-keys.ts';
import { requireAuthor } from './require-author.ts';
import { requireWithin } from './strict-object.ts';
import type { TrustedLog } from './trust-types.ts';
import { readTrustedRoot } from './trusted-root/read-trusted-root.ts';
import type { SigstoreLimits, SigstoreSignatureRequest, SigstoreSigner, SigstoreVerdict } from './types.ts';
import { verifyBundle } from './verify-bundle.ts';
import { type AuthenticSignature, PAYLOAD_MEDIA_TYPE, verifyPayload } from './verify-payload.ts';

/**
 * Judges one attachment of Sigstore: its form, its key, the logs and times that are asked for, its author, then what it
 * says. Throws `POLICY_INVALID` for faulty keys and authorities.
 */
export function verifySigstoreSignature(request: SigstoreSignatureRequest): SigstoreVerdict {
  const { limits, nowMs } = request;
  const trust = readTrust(request);
  let signer: SigstoreSigner | undefined;
  try {
    requireWithin(request.rawBytes.length, 'bytes', { limits, limit: 'maxSignatureBytes' });
    const { signing, verified, evidence, requireImage } = verifyForm(request, trust);
    const check = { author: trust.author, signing, nowMs, limits };
    // A key of the policy needs no time, so that the author is known also when the log is at fault.
    if (trust.author.kind === 'keys') signer = requireAuthor({ ...check, times: [] });
    signer = requireAuthor({ ...check, times: proveTimes(verified, evidence, trust) });
    return { kind: 'accepted', signer, signedReference: requireImage() };
  } catch (error) {
    return refusalOf(error, signer);
  }
}

function readTrust({ author, logKeys = [], trustedRoot, limits }: SigstoreSignatureRequest): Trust {
  const root = trustedRoot && readTrustedRoot(trustedRoot, limits);
  const { logs, timestampAuthorities } = root ?? { logs: readLogs(logKeys, limits), timestampAuthorities: [] };
  return { author: readAuthor(author, root, limits), logs, timestampAuthorities };
}

/** Logs that the policy names by their key, which counts at all times. */
function readLogs(rawKeys: readonly RawKeyRing[], limits: SigstoreLimits): readonly TrustedLog[] {
  return readPublicKeys(rawKeys, limits).map((key) => ({
    key,
    logIds: [createHash('sha256').update(key.rawSpki).digest()],
    validFor: { start: undefined, end: undefined },
  }));
}

function verifyForm(request: SigstoreSignatureRequest, trust: Trust): AuthenticSignature {
  const { mediaType } = request;
  if (mediaType === PAYLOAD_MEDIA_TYPE) return verifyPayload(request, trust);
  if (BUNDLE_VERSIONS.has(mediaType)) return verifyBundle(request, trust);
  return refuseSignature('media-type', `its media type "${printable(mediaType)}" is none of Sigstore's`);
}
