/**
 * Keeps what was computed for a requirement, while the gate judges one image again whenever a further signature was
 * found: keys are loaded once, and each signature is verified once.
 */
export class EvaluationMemo {
  readonly #byRequirement = new WeakMap<object, WeakMap<object, Promise<unknown>>>();

  /** Returns the first result for these two objects. A failure is kept as well. */
  once<Result>(requirement: object, subject: object, compute: () => Promise<Result>): Promise<Result> {
    const known = this.#byRequirement.get(requirement) ?? new WeakMap<object, Promise<unknown>>();
    this.#byRequirement.set(requirement, known);
    const result = known.get(subject) ?? compute();
    known.set(subject, result);
    // The only cast: what is kept for these objects was computed by the one caller that asks for them.
    return result as Promise<Result>;
  }
}
