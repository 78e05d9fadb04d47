import { contextTag, type DerValue } from './read-der.ts';
import { type GeneralName, readGeneralName } from './read-general-names.ts';

/** Which names an authority may certify. */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

const PERMITTED = contextTag(0, 'constructed');
const EXCLUDED = contextTag(1, 'constructed');

/** Reads the extension. https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10 */
export function readNameConstraints(value: DerValue): NameConstraints {
  const members = value.members();
  const [permitted, excluded] = [members.nextIf(PERMITTED), members.nextIf(EXCLUDED)];
  members.end();
  if (permitted === undefined && excluded === undefined) return value.refuse('expected at least one constraint in DER');
  return { permitted: readSubtrees(permitted, PERMITTED), excluded: readSubtrees(excluded, EXCLUDED) };
}

function readSubtrees(value: DerValue | undefined, tag: number): readonly GeneralName[] {
  return (value?.members(tag).rest() ?? []).map((subtree) => {
    const members = subtree.members();
    const base = readGeneralName(members.next());
    // RFC 5280 allows neither a minimum nor a maximum.
    members.end();
    return base;
  });
}

/** Returns what is wrong with a name, or undefined if an authority with these constraints may certify it. */
export function constraintProblem({ permitted, excluded }: NameConstraints, name: GeneralName): string | undefined {
  if ([...permitted, ...excluded].some(({ kind }) => kind === 'other')) return 'has name constraints of another kind';
  const ofKind = permitted.filter(({ kind }) => kind === name.kind);
  if (ofKind.length > 0 && !ofKind.some((base) => matchSubtree(base, name, 'permitted'))) {
    return 'may not certify this name';
  }
  return excluded.some((base) => base.kind === name.kind && matchSubtree(base, name, 'excluded'))
    ? 'may not certify this name'
    : undefined;
}

type Side = keyof NameConstraints;

/** A name that cannot be compared is not permitted, and is excluded. */
function matchSubtree(base: GeneralName, name: GeneralName, side: Side): boolean {
  const unclear = side === 'excluded';
  if (base.kind === 'ip' && name.kind === 'ip') return matchAddress(base.address, name.address) ?? unclear;
  if (base.kind === 'email' && name.kind === 'email') return matchMailbox(base.text, name.text) ?? unclear;
  if (base.kind === 'uri' && name.kind === 'uri') {
    const host = hostOf(name.text);
    return host === undefined ? unclear : matchHost(base.text, host);
  }
  if (base.kind === 'dns' && name.kind === 'dns') return matchDomain(base.text, name.text, side);
  return unclear;
}

/** An address with a mask behind it. Undefined: it cannot be compared. */
function matchAddress(base: Uint8Array, address: Uint8Array): boolean | undefined {
  const { length } = address;
  if ((length !== 4 && length !== 16) || (base.length !== 8 && base.length !== 32)) return undefined;
  if (base.length !== length * 2) return false;
  return address.every((byte, position) => {
    const mask = base[length + position] ?? 0;
    return (byte & mask) === ((base[position] ?? 0) & mask);
  });
}

/** `user@host`: this mailbox; otherwise a host. Undefined: it cannot be compared. */
function matchMailbox(base: string, mailbox: string): boolean | undefined {
  const [local = '', host = '', ...rest] = mailbox.split('@');
  if (local === '' || host === '' || rest.length > 0) return undefined;
  if (!base.includes('@')) return matchHost(base, host);
  const [baseLocal, baseHost = ''] = base.split('@');
  return baseLocal === local && baseHost.toLowerCase() === host.toLowerCase();
}

/** `.domain`: each host in it; otherwise this host; empty: any. */
function matchHost(base: string, host: string): boolean {
  const [constraint, actual] = [base.toLowerCase(), host.toLowerCase()];
  if (constraint.startsWith('.')) return actual.endsWith(constraint) && actual.length > constraint.length;
  return constraint === '' || constraint === actual;
}

/**
 * A domain with all below it. RFC 5280 says nothing of a dot in front of it; OpenSSL and Go then permit what is below it
 * only, while a domain that is excluded so is excluded as a whole here. A wildcard stands for names that may be excluded
 * (CVE-2025-61727).
 */
function matchDomain(base: string, name: string, side: Side): boolean {
  if (base.startsWith('.') && side === 'permitted') return matchHost(base, name.replace(/^\*\./, 'x.'));
  const constraint = base.toLowerCase().replace(/^\./, '');
  const isWildcard = name.startsWith('*.');
  const domain = (isWildcard ? name.slice(2) : name).toLowerCase();
  return isWithin(domain, constraint) || (isWildcard && side === 'excluded' && isWithin(constraint, domain));
}

function isWithin(domain: string, outer: string): boolean {
  return outer === '' || domain === outer || domain.endsWith(`.${outer}`);
}

/** A URI with a name as its host, as RFC 5280 wants it where there are constraints; undefined for any other. */
function hostOf(uri: string): string | undefined {
  const [, authority = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\\]*)(?:[/?#]|$)/i.exec(uri) ?? [];
  // A second "@" stays, and makes it no name: readers disagree on which one ends the user's name.
  const host = authority.replace(/^[^@]*@/, '').replace(/:[0-9]*$/, '');
  const isName = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(host) && !/^[0-9.]+$/.test(host);
  return isName ? host : undefined;
}
