import { type FindEndpoints, openImageEndpoints, transportSettings } from '../endpoints/index.ts';
import { hostPlatform, parsePlatform } from '../oci/index.ts';
import { isRoot } from '../platform/index.ts';
import type { GatePorts, ImagePorts, PullPorts, StoreBacking } from '../pull/index.ts';
import { createKeyLoader, type KeyLoader } from '../signature/index.ts';
import type { Parts } from './parts.ts';
import { storePorts } from './store.ts';

type OnProgress = PullPorts['onProgress'];

export function imagePorts(parts: Parts, findEndpoints: FindEndpoints, onProgress: OnProgress): ImagePorts {
  const { configuration, limits, pool } = parts;
  const { platform, foreignLayerUrls } = configuration.pull;
  return {
    openEndpoints: async (reference, signal) =>
      openImageEndpoints(await findEndpoints(reference, signal), {
        openHttp: (transport) => pool.httpClient(transport),
        limits,
        clock: { now: () => performance.now() },
        foreignTransport: foreignLayerUrls.value ? transportSettings(parts) : undefined,
        onRemark: (message) => onProgress({ type: 'warning', message }),
      }),
    platform: platform.value === undefined ? hostPlatform(process.arch) : parsePlatform(platform.value),
    limits,
  };
}

export function keyLoader({ resources, limits }: Parts): KeyLoader {
  return createKeyLoader({ resources, limits });
}

type Judging = Pick<GatePorts, 'policy' | 'locateSignatures'>;

export function gatePorts(parts: Parts, { policy, locateSignatures }: Judging): Omit<GatePorts, keyof ImagePorts> {
  return { policy, locateSignatures, keys: keyLoader(parts), verifier: parts.verifier.forImage() };
}

export interface PullPortsOptions extends Judging {
  readonly image: ImagePorts;
  readonly backing: StoreBacking;
  readonly onProgress: OnProgress;
  readonly sweepsStore: boolean;
}

export function pullPorts(parts: Parts, options: PullPortsOptions): PullPorts {
  const { image, onProgress, backing, sweepsStore } = options;
  return {
    ...image,
    ...gatePorts(parts, options),
    ...storePorts(parts, backing),
    onProgress,
    sweepsStore,
    pool: parts.pool,
    checkpoint: parts.checkpoint,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
}
