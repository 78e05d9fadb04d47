import { type Limits, limitExceeded } from '../../limits/index.ts';
import type { Digest } from '../../oci/index.ts';

export type SignatureLimits = Pick<Limits, 'maxImageSignatures' | 'maxImageSignatureBytes' | 'maxImageReferrers'>;

/** Counts the signatures that were fetched for one image, wherever they come from. */
export class SignatureBudget {
  readonly #limits: SignatureLimits;
  #count = 0;
  #bytes = 0;
  /** Digests of the manifests that were counted. */
  readonly #referrers = new Set<Digest>();

  constructor(limits: SignatureLimits) {
    this.#limits = limits;
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
    if (this.#referrers.size >= expected) {
      const excess = { limit: 'maxImageReferrers', expected, actual: 'more' } as const;
      throw limitExceeded(`manifests that refer to the image, up to ${origin}`, excess);
    }
    this.#referrers.add(digest);
  }
}
