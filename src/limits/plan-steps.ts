import { limitExceeded } from './limit-exceeded.ts';

/** How many names the plans of an image may look at, and how many they have looked at before. */
export interface PlanBudget {
  readonly limit: number;
  readonly taken: number;
}

/**
 * Counts the names that plans of one image look at, in all its layers. The number of layers and the number of
 * directories are bounded one by one, but not what a plan makes of both.
 */
export class PlanSteps {
  readonly #limit: number;
  #taken: number;

  constructor({ limit, taken }: PlanBudget) {
    this.#limit = limit;
    this.#taken = taken;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Throws `LAYER_LIMIT_EXCEEDED`. */
  take(count = 1): void {
    this.#taken += count;
    if (this.#taken <= this.#limit) return;
    throw limitExceeded('image: names to look at in its layers to put them on top of one another', {
      limit: 'maxPlanSteps',
      expected: this.#limit,
      actual: 'more',
    });
  }
}
