import { type FindEndpoints, openImageEndpoints, transportSettings } from '../endpoints/index.ts';
import type { LocateSignatures } from '../lookaside/index.ts';
import { hostPlatform, parsePlatform } from '../oci/index.ts';
import type { ImagePorts, ProgressEvent, PullPorts, StoreBacking } from '../pull/index.ts';
import { createKeyLoader, type PolicyChoice } from '../signature/index.ts';
import { isRoot, type Parts } from './parts.ts';
import { storePorts } from './store.ts';

export function imagePorts(parts: Parts, findEndpoints: FindEndpoints, onRemark: (remark: string) => void): ImagePorts {
  const { configuration, limits, pool } = parts;
  const { platform, foreignLayerUrls } = configuration.pull;
  return {
    openEndpoints: async (reference, signal) =>
      openImageEndpoints(await findEndpoints(reference, signal), {
        openHttp: (transport) => pool.httpClient(transport),
        limits,
        clock: { now: () => performance.now() },
        foreignTransport: foreignLayerUrls.value ? transportSettings(parts) : undefined,
        onRemark,
      }),
    platform: platform.value === undefined ? hostPlatform(process.arch) : parsePlatform(platform.value),
    limits,
  };
}

export interface PullPortsOptions {
  readonly backing: StoreBacking;
  readonly policy: PolicyChoice;
  readonly findEndpoints: FindEndpoints;
  readonly locateSignatures: LocateSignatures;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly sweepsStore: boolean;
}

export function pullPorts(parts: Parts, options: PullPortsOptions): PullPorts {
  const { policy, onProgress, backing, sweepsStore, findEndpoints, locateSignatures } = options;
  return {
    ...imagePorts(parts, findEndpoints, (message) => onProgress({ type: 'warning', message })),
    ...storePorts(parts, backing),
    policy,
    onProgress,
    sweepsStore,
    keys: createKeyLoader({ resources: parts.resources, limits: parts.limits }),
    verifier: parts.verifier.forImage(),
    locateSignatures,
    pool: parts.pool,
    checkpoint: parts.checkpoint,
    nowMs: () => performance.now(),
    isPrivileged: isRoot(),
  };
}
