import { type Certificate, type DerBound, findPath, PURPOSE, readCertificate } from '../certificates/index.ts';
import { refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import { isSignedBy, openTimestamp, type Timestamp, verifyTimestamp } from '../timestamps/index.ts';
import type { ProvenTime, TimeEvidence, TimestampAuthority } from './trust-types.ts';
import { describeWindow, isWithin } from './windows.ts';

const EXTENDED_KEY_USAGE = '2.5.29.37';

export interface OpenAuthority {
  readonly authority: TimestampAuthority;
  readonly leaf: Certificate;
  readonly issuers: readonly Certificate[];
}

/**
 * Returns the times of timestamps for this signature by trusted authorities. An authority is found by issuer and serial
 * number of its first certificate, and never by a certificate that the timestamp brings along. Timestamps are not read if
 * there is no authority. Throws `SIGNATURE_REFUSED`.
 */
export function proveTimestamps(
  signature: Uint8Array,
  { timestamps, bound }: Pick<TimeEvidence, 'timestamps' | 'bound'>,
  authorities: readonly TimestampAuthority[],
): readonly ProvenTime[] {
  if (timestamps.length === 0 || authorities.length === 0) return [];
  const known = authorities.map((authority) => openAuthority(authority, bound));
  return timestamps.flatMap((raw) => {
    const unread = openTimestamp(raw, bound);
    const found = known.filter(({ leaf }) => isSignedBy(unread, leaf));
    return found.length === 0 ? [] : [proveTimestamp(unread.read(), signature, found)];
  });
}

/** Reads the certificates of an authority, of which the first one signs. */
export function openAuthority(authority: TimestampAuthority, bound: DerBound): OpenAuthority {
  const refuse = (what: string) => refuseSignature('timestamp', `the certificate of ${authority.name}: ${what}`);
  const [leaf, ...issuers] = authority.certificates.map((raw) => readCertificate(raw, bound, refuse));
  return { authority, leaf: leaf ?? refuse('expected at least one'), issuers };
}

/** A root may name one certificate twice, with different windows or issuers; one of them has to do. */
function proveTimestamp(timestamp: Timestamp, signature: Uint8Array, found: readonly OpenAuthority[]): ProvenTime {
  const refusals: SignatureRefusal[] = [];
  for (const { authority, leaf, issuers } of found) {
    try {
      const at = verifyTimestamp(timestamp, leaf, signature);
      requireAuthority({ authority, leaf, issuers }, at);
      return { at, source: 'timestamp', by: authority.name };
    } catch (error) {
      if (!(error instanceof SignatureRefusal)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0] ?? refuseSignature('timestamp', 'its timestamp is by no authority');
}

/** Requires that the authority counts at this time, and that its certificate is for timestamps and nothing else. */
function requireAuthority({ authority: { name, validFor }, leaf, issuers }: OpenAuthority, at: Date): void {
  if (!isWithin(validFor, at)) {
    refuse(`is of ${at.toISOString()}, and the authority ${name} counts ${describeWindow(validFor)}`);
  }
  // https://www.rfc-editor.org/rfc/rfc3161#section-2.3
  const { extensions, extendedKeyUsage } = leaf;
  const isOnly = extendedKeyUsage?.size === 1 && extendedKeyUsage.has(PURPOSE.timeStamping);
  if (!isOnly || extensions.get(EXTENDED_KEY_USAGE)?.isCritical !== true) {
    refuse(
      `is by the authority ${name}, whose certificate is not for timestamps alone (a critical extended key usage)`,
    );
  }
  const { problem } = findPath({
    leaf,
    intermediates: issuers.slice(0, -1),
    anchors: issuers.slice(-1),
    times: [at],
    purpose: PURPOSE.timeStamping,
  });
  if (problem !== undefined) refuse(`is by the authority ${name}: ${problem.text}`);
}

function refuse(what: string): never {
  return refuseSignature('timestamp', `its timestamp ${what}`);
}
