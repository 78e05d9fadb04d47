import { SealiftError } from '../../errors/index.ts';
import { formatReference, formatRepositoryName, parseReference, type Reference } from '../../oci/index.ts';
import { matchPrefix } from './match-prefix.ts';
import { registriesInvalid } from './registries-invalid.ts';
import type { Endpoint, Registries, RegistryMirror, RegistryRule } from './types.ts';

interface Match {
  readonly rule: RegistryRule;
  /** The written form that the prefix matches, and the length of the match. */
  readonly name: string;
  readonly length: number;
}

/** Returns the forms that a prefix may match: it may name either the tag or the digest. */
function writtenForms(reference: Reference): readonly string[] {
  const full = formatReference(reference);
  if (reference.tag === undefined || reference.digest === undefined) return [full];
  return [full, formatReference({ ...reference, tag: undefined })];
}

/** The longest prefix wins; with equal lengths, the prefix without a star. */
function isStronger({ rule }: Match, best: Match | undefined): boolean {
  if (best === undefined || rule.prefix.length > best.rule.prefix.length) return true;
  return rule.prefix.length === best.rule.prefix.length && best.rule.prefix.startsWith('*.');
}

function findRule({ rules }: Registries, reference: Reference): Match | undefined {
  let best: Match | undefined;
  for (const rule of rules) {
    for (const name of writtenForms(reference)) {
      const length = matchPrefix(name, rule.prefix);
      if (length === undefined) continue;
      const match = { rule, name, length };
      if (isStronger(match, best)) best = match;
    }
  }
  return best;
}

/** True for a name that must not be requested from anywhere. */
export function isBlocked(registries: Registries, reference: Reference): boolean {
  return findRule(registries, reference)?.rule.blocked === true;
}

/** Replaces the prefix by `location`. The result must be a full name, because a missing part would be a guess. */
function rewrite(reference: Reference, { rule, name, length }: Match, location: string | undefined): Reference {
  if (location === undefined) return reference;
  const text = `${location}${name.slice(length)}`;
  const refuse = (): never => {
    const problem = `"${location}" rewrites ${name} to ${text}: expected a full name, with host, and library/ on docker.io`;
    throw registriesInvalid(rule.origin, problem);
  };
  let written: Reference;
  try {
    written = parseReference(text);
  } catch (error) {
    if (error instanceof SealiftError) return refuse();
    throw error;
  }
  if (formatReference(written) !== text) refuse();
  return { ...reference, domain: written.domain, path: written.path };
}

function serves({ use }: RegistryMirror, { digest }: Reference): boolean {
  return use === 'all' || (use === 'digest-only') === (digest !== undefined);
}

function refuseBlocked(reference: Reference, { prefix, origin }: Pick<RegistryRule, 'prefix' | 'origin'>): never {
  throw new SealiftError(
    'REGISTRY_BLOCKED',
    `${formatRepositoryName(reference)}: "${prefix}" is blocked by ${origin}`,
    {
      context: { prefix, origin },
    },
  );
}

function assertUnblocked(registries: Registries, reference: Reference): void {
  const match = findRule(registries, reference);
  if (match?.rule.blocked) refuseBlocked(reference, match.rule);
}

/**
 * Returns the endpoints of an image in the order of trying: the mirrors of the rule with the longest prefix, then its
 * location. Endpoints whose own name is blocked are left out. Throws `REGISTRY_BLOCKED` when the image's own name is
 * blocked or no endpoint is left, and `REGISTRIES_INVALID` when a rule rewrites the name to an unusable one.
 */
export function resolveEndpoints(registries: Registries, reference: Reference): readonly Endpoint[] {
  assertUnblocked(registries, reference);
  const match = findRule(registries, reference);
  if (match === undefined) {
    return [{ reference, insecure: false, class: 'measured', origin: 'default' }];
  }
  const { rule } = match;
  const sources = [...rule.mirrors.filter((mirror) => serves(mirror, reference)), rule];
  const endpoints = sources.map(({ location, insecure }): Endpoint => {
    return { reference: rewrite(reference, match, location), insecure, class: 'measured', origin: rule.origin };
  });
  const open = endpoints.filter((endpoint) => !isBlocked(registries, endpoint.reference));
  const [last] = endpoints.slice(-1);
  if (open.length === 0 && last !== undefined) assertUnblocked(registries, last.reference);
  return open;
}
