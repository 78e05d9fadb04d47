import { isSame } from '../signed-content/index.ts';
import { constraintProblem } from './read-name-constraints.ts';
import type { Certificate } from './types.ts';
import { issuingProblem } from './verify-issued.ts';

/** What a certificate is for, as an object identifier of extended key usage. */
export const PURPOSE = Object.freeze({
  codeSigning: '1.3.6.1.5.5.7.3.3',
  timeStamping: '1.3.6.1.5.5.7.3.8',
});

export interface PathRequest {
  readonly leaf: Certificate;
  /** Certificates that may lead to an anchor. They are not trusted. */
  readonly intermediates: readonly Certificate[];
  /** The authorities that are trusted. */
  readonly anchors: readonly Certificate[];
  /** The path has to be valid at each of them. At least one. */
  readonly times: readonly Date[];
  /** An object identifier of `PURPOSE`. */
  readonly purpose: string;
}

/** Why a path does not count: it leads nowhere, or it is not valid at the time, or not for this use. */
export interface PathProblem {
  readonly kind: 'path' | 'time' | 'use';
  readonly text: string;
}

export type FoundPath =
  /** The leaf first, the anchor last. `issuer` is what has issued the leaf. */
  | { readonly path: readonly Certificate[]; readonly issuer: Certificate; readonly problem?: undefined }
  | { readonly path?: undefined; readonly issuer?: undefined; readonly problem: PathProblem };

/** Chains have three or four certificates. */
const MAX_LENGTH = 10;
/** With crossing names the number of ways grows fast; each step of one costs a signature. */
const MAX_CHECKS = 100;
const ANY_PURPOSE = '2.5.29.37.0';
const DIGITAL_SIGNATURE = 0;
const CERTIFICATE_SIGNATURE = 5;

/**
 * Looks for a path from a certificate to a trusted authority: names and signatures fit, *every* certificate of it is valid
 * at each of the times (CVE-2026-24122), and each may be used so: basic constraints, key usage, extended key usage and
 * name constraints. The anchor's own signature is not looked at. If there is none, returns why the best way ended.
 * https://www.rfc-editor.org/rfc/rfc5280#section-6.1
 */
export function findPath(request: PathRequest): FoundPath {
  const search: Search = { ...request, checks: 0, problem: undefined };
  const path = extend(search, [request.leaf])?.toReversed();
  const issuer = path?.[1];
  if (path !== undefined && issuer !== undefined) return { path, issuer };
  const text = `no trusted authority has issued ${describe(request.leaf)}`;
  return { problem: search.problem ?? { kind: 'path', text } };
}

interface Search extends PathRequest {
  checks: number;
  problem: PathProblem | undefined;
}

/** The certificate that was added last comes first, and the leaf last. */
type Chain = readonly [Certificate, ...Certificate[]];

/** Returns a chain that leads to an anchor. */
function extend(search: Search, chain: Chain): Chain | undefined {
  for (const anchor of search.anchors) {
    const whole: Chain = [anchor, ...chain];
    if (isNext(search, chain, anchor) && isAllowed(search, whole)) return whole;
  }
  for (const issuer of search.intermediates) {
    const whole = isNext(search, chain, issuer) ? extend(search, [issuer, ...chain]) : undefined;
    if (whole !== undefined) return whole;
  }
  return undefined;
}

/** True if this certificate has issued the last one. */
function isNext(search: Search, chain: Chain, issuer: Certificate): boolean {
  const [last] = chain;
  if (!isSame(issuer.rawSubject, last.rawIssuer) || chain.some(({ raw }) => isSame(raw, issuer.raw))) return false;
  if (search.checks >= MAX_CHECKS || chain.length >= MAX_LENGTH) {
    return note(search, { kind: 'path', text: 'there are too many ways to an authority' });
  }
  search.checks += 1;
  const text = issuingProblem(last, issuer);
  return text === undefined || note(search, { kind: 'path', text: `${describe(last)} ${text}` });
}

function isAllowed(search: Search, chain: Chain): boolean {
  const problem = pathProblem(chain.toReversed(), search);
  return problem === undefined || note(search, problem);
}

/** Keeps the problem that says most, that of a way that leads to an authority. Returns false. */
function note(search: Search, problem: PathProblem): false {
  if (search.problem === undefined || search.problem.kind === 'path') search.problem = problem;
  return false;
}

function pathProblem(path: readonly Certificate[], { times, purpose }: PathRequest): PathProblem | undefined {
  for (const [position, certificate] of path.entries()) {
    const untimely = timeProblem(certificate, times);
    if (untimely !== undefined) return { kind: 'time', text: untimely };
    const below = path.slice(0, position);
    const use = position === 0 ? leafProblem(certificate, purpose) : issuerProblem(certificate, below, purpose);
    if (use !== undefined) return { kind: 'use', text: `${describe(certificate)} ${use}` };
  }
  return undefined;
}

function timeProblem(certificate: Certificate, times: readonly Date[]): string | undefined {
  const { notBefore, notAfter } = certificate;
  const time = times.find((each) => each < notBefore || each > notAfter);
  if (time === undefined) return undefined;
  const window = `${notBefore.toISOString()} to ${notAfter.toISOString()}`;
  return `${describe(certificate)} is valid from ${window}, and not at ${time.toISOString()}`;
}

function leafProblem({ isAuthority, keyUsage, extendedKeyUsage }: Certificate, purpose: string): string | undefined {
  if (isAuthority) return 'is that of an authority';
  if (keyUsage?.has(DIGITAL_SIGNATURE) === false) return 'is not for digital signatures';
  return extendedKeyUsage?.has(purpose) === true ? undefined : `is not for ${nameOf(purpose)}`;
}

function issuerProblem(issuer: Certificate, below: readonly Certificate[], purpose: string): string | undefined {
  const { isAuthority, keyUsage, extendedKeyUsage, maxPathLength, nameConstraints } = issuer;
  if (!isAuthority || keyUsage?.has(CERTIFICATE_SIGNATURE) === false) return 'may not issue certificates';
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.has(purpose) && !extendedKeyUsage.has(ANY_PURPOSE)) {
    return `is not for ${nameOf(purpose)}`;
  }
  const [leaf, ...authorities] = below;
  const counted = authorities.filter((certificate) => !isSelfIssued(certificate));
  if (maxPathLength !== undefined && counted.length > maxPathLength) {
    return `allows ${maxPathLength} further authorities, and there are ${counted.length}`;
  }
  if (nameConstraints === undefined || leaf === undefined) return undefined;
  for (const name of [leaf, ...counted].flatMap(({ names }) => names)) {
    const problem = constraintProblem(nameConstraints, name);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isSelfIssued({ rawIssuer, rawSubject }: Certificate): boolean {
  return isSame(rawIssuer, rawSubject);
}

function describe({ subjectText }: Certificate): string {
  return subjectText === '' ? 'its certificate' : `the certificate of "${subjectText}"`;
}

function nameOf(purpose: string): string {
  return purpose === PURPOSE.codeSigning ? 'code signing' : 'timestamps';
}
