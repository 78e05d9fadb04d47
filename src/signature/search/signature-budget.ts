import { type Limits, limitExceeded } from '../../limits/index.ts';
import type { Digest } from '../../oci/index.ts';

export type SignatureLimits = Pick<
  Limits,
  'maxImageSignatures' | 'maxImageSignatureBytes' | 'maxImageReferrers' | 'signatureSearchMs'
>;

/** Counts the signatures that were fetched for one image, wherever they come from, and how long that has taken. */
export class SignatureBudget {
  readonly #limits: SignatureLimits;
  readonly #elapsedMs: () => number;
  #count = 0;
  #bytes = 0;
  /** Digests of the manifests that were counted. */
  readonly #referrers = new Set<Digest>();
  #spentMs = 0;
  /** When the step of the search began that is under way. */
  #startedMs: number | undefined;

  /** `elapsedMs` is a clock in milliseconds that never goes back. */
  constructor(limits: SignatureLimits, elapsedMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#elapsedMs = elapsedMs;
  }

  /** Runs one step of the search. What is done between steps, such as judging what was found, takes none of its time. */
  async time<Result>(step: () => Promise<Result>): Promise<Result> {
    const startedMs = this.#elapsedMs();
    this.#startedMs = startedMs;
    try {
      return await step();
    } finally {
      this.#startedMs = undefined;
      this.#spentMs += this.#elapsedMs() - startedMs;
    }
  }

  /** How many signatures one image may have at all. */
  get maxSignatures(): number {
    return this.#limits.maxImageSignatures;
  }

  /** How many manifests that refer to it may be read for one image. */
  get maxReferrers(): number {
    return this.#limits.maxImageReferrers;
  }

  /** Counts one more signature. Throws `SIGNATURE_LIMIT_EXCEEDED` when the image has too many or too large ones. */
  take({ length }: { readonly length: number }, origin: string): void {
    const { maxImageSignatures, maxImageSignatureBytes } = this.#limits;
    this.#assertTime(origin);
    if (this.#count + 1 > maxImageSignatures) {
      const excess = { limit: 'maxImageSignatures', expected: maxImageSignatures, actual: 'more' } as const;
      throw limitExceeded(`signatures of the image, up to ${origin}`, excess);
    }
    if (this.#bytes + length > maxImageSignatureBytes) {
      const excess = { limit: 'maxImageSignatureBytes', expected: maxImageSignatureBytes, actual: 'more' } as const;
      throw limitExceeded(`bytes of the image's signatures, up to ${origin}`, excess);
    }
    this.#count += 1;
    this.#bytes += length;
  }

  /** Counts a manifest that may hold signatures; each one once. Throws `SIGNATURE_LIMIT_EXCEEDED` when there are too many. */
  takeReferrer(digest: Digest, origin: string): void {
    const { maxImageReferrers: expected } = this.#limits;
    if (this.#referrers.has(digest)) return;
    this.#assertTime(origin);
    if (this.#referrers.size >= expected) {
      const excess = { limit: 'maxImageReferrers', expected, actual: 'more' } as const;
      throw limitExceeded(`manifests that refer to the image, up to ${origin}`, excess);
    }
    this.#referrers.add(digest);
  }

  #assertTime(origin: string): void {
    const { signatureSearchMs: expected } = this.#limits;
    const currentMs = this.#startedMs === undefined ? 0 : this.#elapsedMs() - this.#startedMs;
    if (this.#spentMs + currentMs <= expected) return;
    const excess = { limit: 'signatureSearchMs', expected, actual: 'more' } as const;
    throw limitExceeded(`milliseconds of the search for signatures, up to ${origin}`, excess);
  }
}
