import type { LayerSummary } from '../layer-facts/index.ts';
import { formatImageLocation, formatPlatform, type Platform } from '../oci/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { PreparedImage } from './prepare-image.ts';
import type { LayerChain } from './pull-layers.ts';
import type { PullRequest, PullResult } from './types.ts';

/** What a pull has done, for every target. */
export interface FinishedPull {
  readonly prepared: PreparedImage;
  readonly fetches: LayerChain['fetches'];
  /** Undefined for a plain tree. */
  readonly layerFormat: LayerFormat['format'] | undefined;
  readonly warnings: readonly string[];
  /** Measured by `PullPorts.nowMs`. Cleaning up afterwards is not part of the pull's time. */
  readonly finishedMs: number;
}

/** Describes a finished pull as plain data. */
export function describePull(
  { target }: PullRequest,
  { prepared, fetches, layerFormat, warnings, finishedMs }: FinishedPull,
  { platform, startedMs }: { readonly platform: Platform; readonly startedMs: number },
): PullResult {
  const { image, layers } = prepared;
  return {
    name: formatImageLocation(image.reference),
    manifestDigest: image.manifestDigest,
    indexDigest: image.indexDigest,
    signers: image.signers,
    platform: formatPlatform(platform),
    layers: layers.map(({ descriptor: { digest, size }, diffId }) => {
      return { digest, diffId, size, fetches: fetches.get(digest) ?? 0 };
    }),
    layerFormat,
    target,
    warnings,
    durationMs: finishedMs - startedMs,
  };
}

/** Returns one sentence for each reason for which parts of the layers were ignored on purpose. */
export function droppedWarnings(layers: readonly Pick<LayerSummary, 'dropped'>[]): readonly string[] {
  const totals = new Map<string, number>();
  for (const { dropped } of layers) {
    for (const [reason, count] of Object.entries(dropped)) totals.set(reason, (totals.get(reason) ?? 0) + count);
  }
  return [...totals].map(([reason, count]) => `ignored ${count === 1 ? 'once' : `${count} times`}: ${reason}`);
}
