import type { TransportSettings } from '../http/index.ts';
import type { LayerJob, LayerTarget, StageOptions } from '../layer/index.ts';
import { type ImageLayer, layerCompression } from '../oci/index.ts';
import type { ImageSource } from '../registry/index.ts';
import type { LayerProgressState, ProgressEvent } from './types.ts';

export interface LayerJobPorts {
  readonly source: ImageSource;
  readonly transport: TransportSettings;
  readonly onProgress: (event: ProgressEvent) => void;
}

/** One layer as a worker gets it, with what the main thread does for it meanwhile. */
export interface PlannedLayer {
  readonly job: LayerJob;
  readonly hooks: Pick<StageOptions, 'onUnauthorized' | 'onProgress'>;
  readonly tell: (state: LayerProgressState, bytes: number) => void;
}

export async function layerJob(
  layer: ImageLayer,
  target: LayerTarget,
  ports: LayerJobPorts,
  signal: AbortSignal,
): Promise<PlannedLayer> {
  const { source, transport } = ports;
  const { descriptor, diffId } = layer;
  const tell = tellLayer(layer, ports.onProgress);
  const job: LayerJob = {
    blobDigest: descriptor.digest,
    blobSize: descriptor.size,
    compression: layerCompression(descriptor.mediaType),
    diffId,
    request: await source.blobRequest(descriptor, signal),
    transport,
    target,
  };
  return {
    job,
    hooks: {
      onUnauthorized: (challenge) => source.renewBlobRequest(descriptor, challenge, signal),
      onProgress: (bytes) => tell('fetching', bytes),
    },
    tell,
  };
}

export function tellLayer({ descriptor }: ImageLayer, onProgress: LayerJobPorts['onProgress']): PlannedLayer['tell'] {
  const { digest, size: total } = descriptor;
  return (state, bytes) => onProgress({ type: 'layer', digest, state, bytes, total });
}
