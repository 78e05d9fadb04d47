import { DEFAULT_LIMITS, PlanMemory, PlanSteps } from '../../../src/limits/index.ts';
import { createLowerView, type LowerView } from '../../../src/unpack/index.ts';

/** A view of layer directories, topmost first, within the limits of one image. */
export function lowerView(lowers: readonly string[]): LowerView {
  const steps = new PlanSteps({ limit: DEFAULT_LIMITS.maxPlanSteps, taken: 0 });
  return createLowerView(lowers, steps, new PlanMemory(DEFAULT_LIMITS));
}
