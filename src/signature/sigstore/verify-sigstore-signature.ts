import { printable, refusalOf, refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import { BUNDLE_VERSIONS } from './read-bundle.ts';
import { keyIdOf, readPublicKeys, type VerificationKey } from './read-public-keys.ts';
import { requireLogged } from './require-logged.ts';
import { requireWithin } from './strict-object.ts';
import type { SigstoreSignatureRequest, SigstoreVerdict } from './types.ts';
import { verifyBundle } from './verify-bundle.ts';
import { verifyLogEntry } from './verify-log-entry.ts';
import { type AuthenticSignature, PAYLOAD_MEDIA_TYPE, verifyPayload } from './verify-payload.ts';

/**
 * Judges one attachment of Sigstore: its form, its author, the log if one is asked for, then what it says. Throws
 * `POLICY_INVALID` for faulty keys.
 */
export function verifySigstoreSignature(request: SigstoreSignatureRequest): SigstoreVerdict {
  const { keys: rawKeys, logKeys: rawLogKeys, limits } = request;
  const keys = readPublicKeys(rawKeys, limits);
  const logKeys = rawLogKeys === undefined ? undefined : readPublicKeys(rawLogKeys, limits);
  try {
    requireWithin(request.rawBytes.length, 'bytes', { limits, limit: 'maxSignatureBytes' });
    const signature = verifyForm(request, keys);
    const loggedAt = logKeys === undefined ? undefined : requireLog(signature, logKeys);
    const signedReference = signature.requireImage();
    const { key } = signature.verified;
    return { kind: 'accepted', signer: { key: key.name, keyId: keyIdOf(key), loggedAt }, signedReference };
  } catch (error) {
    return refusalOf(error);
  }
}

function verifyForm(request: SigstoreSignatureRequest, keys: readonly VerificationKey[]): AuthenticSignature {
  const { mediaType } = request;
  if (mediaType === PAYLOAD_MEDIA_TYPE) return verifyPayload(request, keys);
  if (BUNDLE_VERSIONS.has(mediaType)) return verifyBundle(request, keys);
  return refuseSignature('media-type', `its media type "${printable(mediaType)}" is none of Sigstore's`);
}

/**
 * Requires that one of the logs has seen the signature; one log is as good as several. Returns the earliest time that a
 * promise proves.
 */
function requireLog(
  { verified, logEntries }: AuthenticSignature,
  keys: readonly VerificationKey[],
): string | undefined {
  const known = logEntries.filter((entry) => verifyLogEntry(entry, keys) !== undefined);
  for (const entry of known) requireLogged(entry, verified);
  if (known.length === 0) {
    const what = logEntries.length === 0 ? 'it has no log entry' : 'its log entries are of other logs';
    throw new SignatureRefusal('log', `${what}; the requirement names the key of a log`, {
      remedy: 'sign the image again with an upload to this log, or take rekorPublicKey… out of the requirement',
    });
  }
  const promised = known.filter(({ promise }) => promise !== undefined).map(({ integratedTime }) => integratedTime);
  const [earliest] = promised.sort((one, other) => (one < other ? -1 : 1));
  return earliest === undefined ? undefined : formatSeconds(earliest);
}

const MAX_SECONDS = 253_402_300_799n;

/** RFC 3339; undefined beyond the year 9999, which no log has reached. */
function formatSeconds(seconds: bigint): string | undefined {
  return seconds > MAX_SECONDS ? undefined : new Date(Number(seconds) * 1000).toISOString();
}
