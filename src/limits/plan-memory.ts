import { limitExceeded } from './limit-exceeded.ts';

/**
 * Counts the memory that one plan holds for what an image chooses, by estimates. The weight of facts bounds the
 * characters of their paths, but not the names that these characters make: each name of a deep path may be a directory of
 * its own.
 */
export class PlanMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor({ maxPlanBytes }: { readonly maxPlanBytes: number }) {
    this.#maxBytes = maxPlanBytes;
  }

  /** Throws `LAYER_LIMIT_EXCEEDED`. A negative number gives memory back. */
  take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= this.#maxBytes) return;
    throw limitExceeded('image: bytes of memory to put its layers on top of one another', {
      limit: 'maxPlanBytes',
      expected: this.#maxBytes,
      actual: 'more',
    });
  }
}
