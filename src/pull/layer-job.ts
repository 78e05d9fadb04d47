import type { FileOffer } from '../archive/index.ts';
import type { BlobOrigin, LayerJob, LayerTarget, StageOptions } from '../layer/index.ts';
import { type ImageLayer, layerCompression } from '../oci/index.ts';
import type { BlobOffer } from '../registry/index.ts';
import type { ImageBytes } from './named-image.ts';
import type { LayerProgressState, ProgressEvent } from './types.ts';

export interface LayerJobPorts {
  readonly source: ImageBytes;
  readonly onProgress: (event: ProgressEvent) => void;
}

/** One layer as a worker gets it, with what the main thread does for it meanwhile. */
export interface PlannedLayer {
  readonly job: LayerJob;
  readonly hooks: Pick<StageOptions, 'onUnauthorized' | 'onProgress'>;
  readonly tell: (state: LayerProgressState, bytes: number) => void;
  /** Of the place that the job's bytes come from. */
  readonly passOver: BlobOffer['passOver'];
}

export async function layerJob(
  layer: ImageLayer,
  target: LayerTarget,
  ports: LayerJobPorts,
  signal: AbortSignal,
): Promise<PlannedLayer> {
  const { descriptor, diffId } = layer;
  const tell = tellLayer(layer, ports.onProgress);
  const offer = await ports.source.offerBlob(descriptor, signal);
  const { origin, compression, passOver, ...hooks } = takeOffer(offer, signal);
  const job: LayerJob = {
    blobDigest: descriptor.digest,
    blobSize: descriptor.size,
    compression: compression ?? layerCompression(descriptor.mediaType),
    diffId,
    target,
    ...origin,
  };
  return { job, hooks: { ...hooks, onProgress: (bytes) => tell('fetching', bytes) }, tell, passOver };
}

interface TakenOffer extends Pick<StageOptions, 'onUnauthorized'>, Pick<PlannedLayer, 'passOver'> {
  readonly origin: BlobOrigin;
  readonly compression: FileOffer['compression'];
}

function takeOffer(offer: BlobOffer | FileOffer, signal: AbortSignal): TakenOffer {
  if ('file' in offer) {
    const { file, compression } = offer;
    // There is no other place of the same bytes.
    return { origin: { file }, compression, passOver: () => false };
  }
  const { request, transport, renew, passOver } = offer;
  return {
    origin: { request, transport },
    compression: undefined,
    onUnauthorized: (challenge) => renew(challenge, signal),
    passOver,
  };
}

export function tellLayer({ descriptor }: ImageLayer, onProgress: LayerJobPorts['onProgress']): PlannedLayer['tell'] {
  const { digest, size: total } = descriptor;
  return (state, bytes) => onProgress({ type: 'layer', digest, state, bytes, total });
}
