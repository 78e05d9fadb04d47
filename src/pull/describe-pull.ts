import { formatPlatform, formatRepositoryName, type Platform } from '../oci/index.ts';
import type { PreparedImage } from './prepare-image.ts';
import type { LayerChain } from './pull-layers.ts';
import type { PullRequest, PullResult } from './types.ts';

/** What a pull has done, by whichever way the target asked for. */
export interface PullOutcome {
  readonly prepared: PreparedImage;
  readonly fetches: LayerChain['fetches'];
  readonly warnings: readonly string[];
}

/** The answer of a pull as plain data. */
export function describePull(
  { target }: PullRequest,
  { prepared, fetches, warnings }: PullOutcome,
  platform: Platform,
  durationMs: number,
): PullResult {
  const { image, layers } = prepared;
  return {
    name: formatRepositoryName(image.reference),
    manifestDigest: image.manifestDigest,
    indexDigest: image.indexDigest,
    platform: formatPlatform(platform),
    layers: layers.map(({ descriptor: { digest, size }, diffId }) => {
      return { digest, diffId, size, fetches: fetches.get(digest) ?? 0 };
    }),
    target,
    warnings,
    durationMs,
  };
}
