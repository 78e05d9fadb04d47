import { DEFAULT_LIMITS, PlanSteps } from '../../../src/limits/index.ts';
import { createLowerView, type LowerView } from '../../../src/unpack/index.ts';

/** A view of layer directories, topmost first, within the limits of one image. */
export function lowerView(lowers: readonly string[]): LowerView {
  return createLowerView(lowers, new PlanSteps({ limit: DEFAULT_LIMITS.maxPlanSteps, taken: 0 }));
}
