import type { FileOffer } from '../archive/index.ts';
import type { BlobOrigin, LayerJob, LayerTarget, StagedLayer, StageOptions } from '../layer/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { BlobOffer } from '../registry/index.ts';
import type { ImageBytes } from './named-image.ts';
import type { LayerPlan } from './plan-layers.ts';
import type { LayerProgressState, ProgressEvent } from './types.ts';

/** Reports the progress of one layer. */
export type LayerReport = (state: LayerProgressState, bytes: number) => void;

export interface LayerJobOptions {
  readonly source: ImageBytes;
  readonly target: LayerTarget;
  /** See `LayerJob.factsPath`. */
  readonly factsPath: string | undefined;
  readonly report: LayerReport;
  readonly signal: AbortSignal;
}

/** One layer as a worker gets it, with what the main thread does meanwhile. */
export interface PreparedJob {
  readonly job: LayerJob;
  readonly hooks: Pick<StageOptions, 'onUnauthorized' | 'onProgress'>;
  /** That of the offer that the bytes come from. */
  readonly skip: BlobOffer['skip'];
}

/** Asks the source for the layer's bytes. Throws what `offerBlob` throws. */
export async function prepareLayerJob(layer: LayerPlan, options: LayerJobOptions): Promise<PreparedJob> {
  const { descriptor, diffId } = layer;
  const { source, target, factsPath, report, signal } = options;
  const offer = await source.offerBlob(descriptor, signal);
  const { origin, compression, skip, ...hooks } = takeOffer(offer, signal);
  const job: LayerJob = {
    blobDigest: descriptor.digest,
    blobSize: descriptor.size,
    compression: compression ?? layer.compression,
    diffId,
    target,
    factsPath,
    ...origin,
  };
  return { job, hooks: { ...hooks, onProgress: (bytes) => report('fetching', bytes) }, skip };
}

interface TakenOffer extends Pick<StageOptions, 'onUnauthorized'>, Pick<PreparedJob, 'skip'> {
  readonly origin: BlobOrigin;
  readonly compression: FileOffer['compression'];
}

function takeOffer(offer: BlobOffer | FileOffer, signal: AbortSignal): TakenOffer {
  if ('file' in offer) {
    const { file, compression } = offer;
    // A file has no other endpoint.
    return { origin: { file }, compression, skip: () => false };
  }
  const { request, transport, renew, skip } = offer;
  return {
    origin: { request, transport },
    compression: undefined,
    onUnauthorized: (challenge) => renew(challenge, signal),
    skip,
  };
}

/** Returns what deserves attention in a layer that was fetched. */
export function layerWarnings({ digest }: Descriptor, { mislabelled }: StagedLayer): readonly string[] {
  return mislabelled === undefined ? [] : [`layer ${digest}: ${mislabelled}`];
}

export function reportLayer(
  { digest, size: total }: Descriptor,
  onProgress: (event: ProgressEvent) => void,
): LayerReport {
  return (state, bytes) => onProgress({ type: 'layer', digest, state, bytes, total });
}
