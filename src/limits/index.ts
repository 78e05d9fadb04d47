export { limitExceeded, type SizeBound } from './limit-exceeded.ts';
export { boundsOf, DEFAULT_LIMITS, LIMITS, type LimitName, type Limits, type RefusingLimit } from './limits.ts';
export { PlanMemory } from './plan-memory.ts';
export { type PlanBudget, PlanSteps } from './plan-steps.ts';
