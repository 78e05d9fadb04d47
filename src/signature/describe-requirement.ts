import { describeKeys } from './name-keys.ts';
import type { Requirement, RequirementType } from './policy/index.ts';

type Describers = { readonly [Type in RequirementType]: (requirement: Requirement<Type>) => string };

const DESCRIBERS: Describers = {
  reject: () => '',
  insecureAcceptAnything: () => '',
  signedBy: ({ keys }) => describeKeys('key', keys),
  sigstoreSigned: ({ trust, rekorKeys }) => {
    const author = trust.kind === 'keys' ? describeKeys('key', trust.keys) : trust.kind;
    return rekorKeys === undefined ? author : `${author}, ${describeKeys('rekorPublicKey', rekorKeys)}`;
  },
};

/** Returns the members of the policy that say whose signatures a requirement accepts, with their paths; empty: none. */
export function describeRequirement<Type extends RequirementType>(requirement: Requirement<Type>): string {
  return DESCRIBERS[requirement.type](requirement);
}
