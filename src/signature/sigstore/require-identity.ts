import { type Certificate, type DerBound, type GeneralName, matchHostname, readClaims } from '../certificates/index.ts';
import { type FulcioIdentity, matchClaim, type PkiSubject } from '../policy/index.ts';
import { printable, SignatureRefusal } from '../signed-content/index.ts';
import { refuseCertificate } from './refuse-certificate.ts';
import type { CertificateSigner } from './types.ts';

type Identity = Pick<CertificateSigner, 'subject' | 'oidcIssuer'>;

/**
 * Requires that a certificate has each name that the policy asks for. Containers/image compares whole addresses, and hosts
 * as TLS does. Throws `SIGNATURE_REFUSED`.
 */
export function requireSubject({ names }: Certificate, { subjectEmail, subjectHostname }: PkiSubject): Identity {
  const emails = names.filter(({ kind }) => kind === 'email').map(textOf);
  if (subjectEmail !== undefined && !emails.includes(subjectEmail)) {
    refuseNames(names, { member: 'subjectEmail', expected: subjectEmail, actual: emails[0] });
  }
  const hosts = names.filter(({ kind }) => kind === 'dns').map(textOf);
  if (subjectHostname !== undefined && !hosts.some((host) => matchHostname(host, subjectHostname))) {
    refuseNames(names, { member: 'subjectHostname', expected: subjectHostname, actual: hosts[0] });
  }
  return { subject: subjectEmail ?? subjectHostname ?? '', oidcIssuer: undefined };
}

/** Empty for a name that is no text. */
function textOf(name: GeneralName): string {
  return 'text' in name ? name.text : '';
}

interface Mismatch {
  readonly member: keyof PkiSubject;
  readonly expected: string;
  /** The first name of that kind; undefined: there is none. */
  readonly actual: string | undefined;
}

function refuseNames(names: readonly GeneralName[], { member, expected, actual }: Mismatch): never {
  const found = names.map((name) => `${name.kind} "${printable(textOf(name))}"`).join(', ') || 'no name';
  const text = `its certificate is for ${found}; the requirement asks for ${member} "${expected}"`;
  throw new SignatureRefusal('author', text, remedyFor(member, actual));
}

/** Nothing would help if the certificate does not say it. */
function remedyFor(member: string, actual: string | undefined): { readonly remedy?: string } {
  if (actual === undefined) return {};
  return { remedy: `if you trust this author, write "${member}": ${JSON.stringify(printable(actual))}` };
}

/**
 * Requires that a certificate by Fulcio says what the policy asks for, in every member. It certifies one name, so one with
 * another name besides is not what it seems. Throws `SIGNATURE_REFUSED`.
 */
export function requireIdentity(certificate: Certificate, identity: FulcioIdentity, bound: DerBound): Identity {
  const claims = readClaims(certificate, bound, refuseCertificate);
  const [name, ...others] = certificate.names;
  if (name === undefined || others.length > 0) {
    return refuseCertificate(`expected one name, got ${certificate.names.length}`);
  }
  requireClaims({ ...claims, ...namedBy(name) }, identity);
  return { subject: textOf(name), oidcIssuer: claims.oidcIssuer };
}

/** A name of another kind is neither an address nor a URI. */
function namedBy(name: GeneralName): Pick<FulcioIdentity, 'subjectEmail' | 'subjectURI'> {
  if (name.kind === 'email') return { subjectEmail: name.text };
  return name.kind === 'uri' ? { subjectURI: name.text } : {};
}

type Claims = Readonly<Partial<Record<keyof FulcioIdentity, string | undefined>>>;

function requireClaims(claims: Claims, identity: FulcioIdentity): void {
  for (const member of Object.keys(MATCHERS).filter(isMember)) {
    const [expected, actual] = [identity[member], claims[member]];
    if (expected === undefined || (actual !== undefined && MATCHERS[member](expected, actual))) continue;
    const found = actual === undefined ? `says no ${member}` : `says ${member} "${printable(actual)}"`;
    const text = `its certificate ${found}; the requirement asks for "${expected}"`;
    throw new SignatureRefusal('author', text, remedyFor(member, actual));
  }
}

function isMember(name: string): name is keyof FulcioIdentity {
  return name in MATCHERS;
}

const isEqual = (expected: string, actual: string): boolean => expected === actual;

/** Members of containers-policy.json(5) are compared whole, whatever is in them. */
const MATCHERS: Readonly<Record<keyof FulcioIdentity, (expected: string, actual: string) => boolean>> = {
  oidcIssuer: isEqual,
  subjectEmail: isEqual,
  subjectURI: matchClaim,
  buildSignerURI: matchClaim,
  sourceRepositoryURI: isEqual,
  sourceRepositoryRef: matchClaim,
  runnerEnvironment: isEqual,
};
