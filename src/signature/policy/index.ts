export { matchSignedIdentity } from './match-identity.ts';
export { matchScope, matchTagScope, type ScopeMatch } from './match-scope.ts';
export { parsePolicy } from './parse-policy.ts';
export { isArmored } from './schema.ts';
export type { KeySource, Policy, Requirement, Requirements, RequirementType, SignedIdentity } from './types.ts';
