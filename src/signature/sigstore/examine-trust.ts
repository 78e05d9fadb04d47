import { type Certificate, keyIdOf } from '../certificates/index.ts';
import type { ExaminedKey, KeyExamination } from '../signed-content/index.ts';
import { openAuthority } from './prove-timestamps.ts';
import { readAuthority, readTrustedAuthority } from './read-authorities.ts';
import type { TrustedLog } from './trust-types.ts';
import { readTrustedRoot } from './trusted-root/read-trusted-root.ts';
import type { SigstoreLimits } from './types.ts';

type Examination = Pick<KeyExamination, 'raw'> & { readonly limits: SigstoreLimits };

/**
 * Reads the certificates of authorities without a signature. One that has expired is no mistake, since what it issued
 * before still counts at a proven time. Throws `POLICY_INVALID` for one that cannot be read.
 */
export function examineAuthorities({ raw, limits }: Examination): readonly ExaminedKey[] {
  return readAuthority(raw, [], limits).anchors.map((certificate) => examineCertificate(certificate, undefined));
}

/** The same for the logs and authorities of trusted roots. Those that count no more are there for what is older. */
export function examineTrustedRoots({ raw, limits }: Examination): readonly ExaminedKey[] {
  return raw.flatMap((file) => {
    const { logs, ctLogs, certificateAuthorities, timestampAuthorities } = readTrustedRoot(file, limits);
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
