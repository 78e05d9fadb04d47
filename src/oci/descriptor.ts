import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes, 0 – 2⁵³−1. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform: Platform | undefined;
  /**
   * URLs of a foreign layer, which its vendor does not let registries distribute; only such a layer has any. Unchecked.
   */
  readonly unsafeUrls?: readonly string[];
}
