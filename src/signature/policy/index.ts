export { matchScope, matchTagScope, type ScopeMatch } from './match-scope.ts';
export { parsePolicy } from './parse-policy.ts';
export type { KeySource, Policy, Requirement, Requirements, RequirementType } from './types.ts';
