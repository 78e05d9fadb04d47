export { matchClaim } from './match-claim.ts';
export { matchSignedIdentity } from './match-identity.ts';
export { matchScope, matchTagScope, type ScopeMatch, scopeCandidates } from './match-scope.ts';
export { parsePolicy } from './parse-policy.ts';
export { isArmored, isJsonText } from './schema.ts';
export type {
  FulcioIdentity,
  KeySource,
  PkiSubject,
  Policy,
  Requirement,
  Requirements,
  RequirementType,
  SignedIdentity,
  SigstoreTrust,
} from './types.ts';
export { isKnownTransport } from './validate-scope.ts';
