import { formatImagePlace, formatPlatform, type Platform } from '../oci/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { PreparedImage } from './prepare-image.ts';
import type { LayerChain } from './pull-layers.ts';
import type { PullRequest, PullResult } from './types.ts';

/** What a pull has done, by whichever way the target asked for. */
export interface PullOutcome {
  readonly prepared: PreparedImage;
  readonly fetches: LayerChain['fetches'];
  /** Undefined for a plain tree. */
  readonly layerFormat: LayerFormat['format'] | undefined;
  readonly warnings: readonly string[];
}

/** The answer of a pull as plain data. */
export function describePull(
  { target }: PullRequest,
  { prepared, fetches, layerFormat, warnings }: PullOutcome,
  platform: Platform,
  durationMs: number,
): PullResult {
  const { image, layers } = prepared;
  return {
    name: formatImagePlace(image.reference),
    manifestDigest: image.manifestDigest,
    indexDigest: image.indexDigest,
    platform: formatPlatform(platform),
    layers: layers.map(({ descriptor: { digest, size }, diffId }) => {
      return { digest, diffId, size, fetches: fetches.get(digest) ?? 0 };
    }),
    layerFormat,
    target,
    warnings,
    durationMs,
  };
}
