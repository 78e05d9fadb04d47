import type { MeasurementResult } from '../api/index.ts';
import type { Logger } from '../log/index.ts';
import type { PullServicePorts } from './types.ts';

export interface MeasurePorts {
  /** Returns the socket of the attestation agent. */
  readonly socketPath: () => string;
  /** Extends the runtime measurement of the guest by an image. */
  readonly extend: (
    image: { readonly image: string; readonly digest: string },
    options: { readonly socketPath: string; readonly signal: AbortSignal },
  ) => Promise<MeasurementResult>;
  readonly log: Logger;
}

/** Measures each image before it runs. A guest whose attestation agent does not measure only gets a warning in its log. */
export function createMeasurement({ socketPath, extend, log }: MeasurePorts): PullServicePorts['measure'] {
  return async (image, signal) => {
    const outcome = await extend(image, { socketPath: socketPath(), signal });
    if (outcome !== 'extended') log.warn({ image: image.image, outcome }, 'image not measured');
  };
}
