import { describeKeys } from './name-keys.ts';
import type { FulcioIdentity, PkiSubject, Requirement, RequirementType, SigstoreTrust } from './policy/index.ts';

type Describers = { readonly [Type in RequirementType]: (requirement: Requirement<Type>) => string };

const DESCRIBERS: Describers = {
  reject: () => '',
  insecureAcceptAnything: () => '',
  signedBy: ({ keys }) => describeKeys('key', keys),
  sigstoreSigned: ({ trust, rekorKeys, trustedRoot }) => {
    const others = [
      rekorKeys && describeKeys('rekorPublicKey', rekorKeys),
      trustedRoot && describeKeys('trustedRoot', trustedRoot),
    ];
    return [describeTrust(trust), ...others.filter((each) => each !== undefined)].join(' and ');
  },
};

/** Returns the members of the policy that say whose signatures a requirement accepts, with their paths; empty: none. */
export function describeRequirement<Type extends RequirementType>(requirement: Requirement<Type>): string {
  return DESCRIBERS[requirement.type](requirement);
}

/** Names a requirement with keys, for messages: `requirement "signedBy" with keyPath /a`. */
export function nameRequirement(requirement: Requirement): string {
  return `requirement "${requirement.type}" with ${describeRequirement(requirement)}`;
}

function describeTrust(trust: SigstoreTrust): string {
  switch (trust.kind) {
    case 'keys':
      return describeKeys('key', trust.keys);
    case 'fulcio':
      return `fulcio (${describeMembers(trust.ca && describeKeys('ca', trust.ca), trust.identity)})`;
    case 'pki':
      return `pki (${describeMembers(describeKeys('caRoots', trust.roots), trust.subject)})`;
  }
}

function describeMembers(authorities: string | undefined, members: FulcioIdentity | PkiSubject): string {
  const described = Object.entries(members).map(([name, value]) => value && `${name} "${value}"`);
  return [authorities, ...described].filter((part) => part !== undefined).join(', ');
}
