import { type Certificate, keyIdOf } from '../certificates/index.ts';
import { type ExaminedKey, type KeyExamination, printable } from '../signed-content/index.ts';
import { openAuthority } from './prove-timestamps.ts';
import { readAuthoritiesOf } from './read-author.ts';
import { readAuthority, readTrustedAuthority } from './read-authorities.ts';
import type { TrustedLog } from './trust-types.ts';
import { readTrustedRoot } from './trusted-root/read-trusted-root.ts';
import type { SigstoreLimits } from './types.ts';

interface Examination extends Pick<KeyExamination, 'raw'> {
  /** The time that "expired" is compared with, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly limits: SigstoreLimits;
}

/**
 * Reads the certificates of authorities without a signature. What one that has expired issued before still counts, but
 * only at a proven time. Throws `POLICY_INVALID` for one that cannot be read.
 */
export function examineAuthorities({ raw, nowMs, limits }: Examination): readonly ExaminedKey[] {
  return readAuthority(raw, [], limits).anchors.map((certificate) => {
    const { subjectText, notAfter } = certificate;
    const examined = examineCertificate(certificate, undefined);
    if (notAfter.getTime() >= nowMs) return examined;
    const name = subjectText === '' ? 'certificate' : `certificate "${printable(subjectText)}"`;
    const clock = new Date(nowMs).toISOString();
    return { ...examined, problem: `${name} expired at ${notAfter.toISOString()}; the clock says ${clock}` };
  });
}

/**
 * The same for the logs and authorities of trusted roots. Those that count no more are there for what is older, so they
 * are no problem. `needsAuthorities`: nothing else names the issuers of certificates.
 */
export function examineTrustedRoots({ raw, limits }: Examination, needsAuthorities: boolean): readonly ExaminedKey[] {
  return raw.flatMap((file) => {
    const root = readTrustedRoot(file, limits);
    if (needsAuthorities) readAuthoritiesOf(root, limits);
    const { logs, ctLogs, certificateAuthorities, timestampAuthorities } = root;
    const issuers = certificateAuthorities.flatMap((authority) => {
      const { anchors, validFor } = readTrustedAuthority(authority, limits);
      return anchors.map((certificate) => examineCertificate(certificate, validFor.end));
    });
    const stampers = timestampAuthorities.map((authority) => {
      return examineCertificate(
        openAuthority(authority, { maxDepth: limits.maxDerDepth }).leaf,
        authority.validFor.end,
      );
    });
    return [...[...logs, ...ctLogs].map(examineLog), ...issuers, ...stampers];
  });
}

function examineLog({ key, validFor }: TrustedLog): ExaminedKey {
  return { id: keyIdOf(key), algorithm: key.kind, expiresAt: validFor.end?.toISOString(), problem: undefined };
}

/** `end`: when the trusted root says that it ends. */
function examineCertificate({ key, notAfter }: Certificate, end: Date | undefined): ExaminedKey {
  const expiresAt = end !== undefined && end < notAfter ? end : notAfter;
  return { id: keyIdOf(key), algorithm: key.kind, expiresAt: expiresAt.toISOString(), problem: undefined };
}
