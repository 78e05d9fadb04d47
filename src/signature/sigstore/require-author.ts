import { SealiftError } from '../../errors/index.ts';
import {
  type Certificate,
  type CertificateLog,
  type DerBound,
  findPath,
  type Issued,
  keyIdOf,
  PURPOSE,
  type Refuse,
  requireSct,
} from '../certificates/index.ts';
import { printable, type RefusalReason, refuseSignature } from '../signed-content/index.ts';
import type { Author, CertificateAuthor } from './read-author.ts';
import { requireIdentity, requireSubject } from './require-identity.ts';
import type { ProvenTime } from './trust-types.ts';
import type { SigstoreLimits, SigstoreSigner } from './types.ts';
import type { SigningKey } from './verify-author.ts';
import { isWithin } from './windows.ts';

/** What is known of a signature, and the author that has to have made it. */
export interface AuthorCheck {
  readonly author: Author;
  readonly signing: SigningKey;
  /** When the signature existed; none if nothing proves it. */
  readonly times: readonly ProvenTime[];
  readonly nowMs: number;
  readonly limits: SigstoreLimits;
}

/**
 * Requires that the key that made a signature is that of an author that the policy names: for a certificate, that an
 * authority has issued it, that it was valid when the signature was made, and what it says of its owner. Returns the author.
 * Throws `SIGNATURE_REFUSED`.
 */
export function requireAuthor({ author, signing, times, nowMs, limits }: AuthorCheck): SigstoreSigner {
  const { key, certificate, chain } = signing;
  const common = { keyId: keyIdOf(key), loggedAt: earliest('log', times), stampedAt: earliest('timestamp', times) };
  if (author.kind === 'keys') return { kind: 'sigstore-key', key: key.name, ...common };
  if (certificate === undefined) throw new SealiftError('INTERNAL', 'signature: expected a certificate, got none');
  const issuer = requirePath(author, { certificate, chain, times: relevantTimes(author, times, nowMs) });
  const bound = { maxDepth: limits.maxDerDepth };
  if (author.kind === 'pki') {
    return { kind: 'sigstore-certificate', ...requireSubject(certificate, author.subject), ...common };
  }
  if (author.ctLogs.length > 0) requireLoggedCertificate({ certificate, issuer }, author.ctLogs, bound);
  return { kind: 'sigstore-certificate', ...requireIdentity(certificate, author.identity, bound), ...common };
}

function earliest(kind: ProvenTime['source'], times: readonly ProvenTime[]): string | undefined {
  return times.find(({ source }) => source === kind)?.at.toISOString();
}

/** Certificates by Fulcio live for minutes, so only a proven time makes them count. Others have to be valid now. */
function relevantTimes({ kind }: CertificateAuthor, times: readonly ProvenTime[], nowMs: number): readonly Date[] {
  if (times.length > 0) return times.map(({ at }) => at);
  if (kind === 'pki') return [new Date(nowMs)];
  return refuseSignature(
    'certificate-time',
    'nothing that the requirement trusts proves when it was made, so its certificate of a few minutes does not count',
  );
}

interface CertificateInUse {
  readonly certificate: Certificate;
  readonly chain: readonly Certificate[];
  readonly times: readonly Date[];
}

const REASONS = {
  path: 'certificate-path',
  time: 'certificate-time',
  use: 'certificate-use',
} as const satisfies Record<string, RefusalReason>;

/** Returns what has issued the certificate. */
function requirePath(
  { authorities }: CertificateAuthor,
  { certificate: leaf, chain, times }: CertificateInUse,
): Certificate {
  const current = authorities.filter(({ validFor }) => times.every((time) => isWithin(validFor, time)));
  if (current.length === 0) {
    const text = `no authority of the trusted root counts at ${times.map((time) => time.toISOString()).join(', ')}`;
    return refuseSignature('certificate-time', text);
  }
  const found = current.map(({ anchors, intermediates }) => {
    const candidates = [...chain, ...intermediates];
    return findPath({ leaf, intermediates: candidates, anchors, times, purpose: PURPOSE.codeSigning });
  });
  const issuer = found.map((each) => each.issuer).find((each) => each !== undefined);
  if (issuer !== undefined) return issuer;
  // A path that leads to an authority says more than one that leads nowhere.
  const problems = found.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  const problem = problems.find(({ kind }) => kind !== 'path') ?? problems[0];
  return refuseSignature(REASONS[problem?.kind ?? 'path'], printable(problem?.text ?? 'no authority has issued it'));
}

function requireLoggedCertificate(issued: Issued, logs: readonly CertificateLog[], bound: DerBound): void {
  const refuse: Refuse = (what) => refuseSignature('certificate-log', `its certificate does not count: ${what}`);
  requireSct(issued, logs, { bound, refuse });
}
