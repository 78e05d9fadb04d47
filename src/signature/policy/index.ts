export { matchScope, matchTagScope, type ScopeMatch, scopeCandidates } from './match-scope.ts';
export { parsePolicy } from './parse-policy.ts';
export type {
  KeySource,
  Policy,
  Requirement,
  Requirements,
  RequirementType,
  SignedByRequirement,
  SignedIdentity,
  SigstoreSignedRequirement,
  SigstoreTrust,
} from './types.ts';
