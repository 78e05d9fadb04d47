import { lstatSync } from 'node:fs';
import { normalize } from 'node:path/posix';
import type { MountAnswer, SecureMountCall } from '../api/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import {
  type PurposefulRequest,
  parseSecureMount,
  pathsOverlap,
  type Volume,
  type VolumeStatus,
  type Volumes,
} from '../volume/index.ts';
import { logFailure } from './log-failure.ts';
import type { LoadedConfiguration } from './reloadable-configuration.ts';

export interface VolumeRequestPorts {
  readonly loaded: LoadedConfiguration;
  readonly volumes: Volumes;
  readonly log: Logger;
}

/**
 * What makes a disk the image store: a call of the kata agent, or a device that is there at the start. Other disks are
 * mounted for containers on calls of the agent.
 */
export interface VolumeRequests {
  /** Returns where the disk is mounted, or why it is not ours to mount. Throws `VOLUME_*`. */
  secureMount(call: SecureMountCall): Promise<MountAnswer>;
  /** Makes a device with one of the configured names the image store. Does not wait for it. */
  findDevice(): void;
}

export function createVolumeRequests({ loaded, volumes, log }: VolumeRequestPorts): VolumeRequests {
  const { imageStore, containers } = volumes;
  return {
    secureMount: async (call) => {
      const parsed = parseOurs(call, { loaded, volumes });
      if (parsed instanceof SealiftError) return { notOurs: parsed };
      const { purpose, request } = parsed;
      log.info({ requestId: call.requestId, purpose, request }, 'secure mount requested');
      try {
        const isStore = purpose === 'imageStore';
        const status = await (isStore ? imageStore.prepare(request) : containers.mount(request));
        logVolume(status, { log, message: isStore ? 'image store' : 'emptyDir volume' });
      } catch (error) {
        logFailure(log, 'secure mount failed', error);
        if (purpose !== 'imageStore') throw error;
        return { mountPath: memoryInstead(imageStore, { failure: error, log }) };
      }
      return { mountPath: request.mountPoint };
    },
    findDevice: () => {
      const { devices, mountPoint, waitMs } = loaded.configuration.volume;
      // Without a device there is nothing to prepare, and a thread to find that out would cost 20 MB.
      const isPresent = devices.value.some((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
      if (!isPresent && waitMs.value === 0) {
        log.info({ devices: devices.value }, 'no device for the image store');
        return;
      }
      const source = { kind: 'nodes', paths: devices.value } as const;
      imageStore.prepare({ source, mountPoint: mountPoint.value }).then(
        (status) => logVolume(status, { log, message: 'image store' }),
        (error: unknown) => logFailure(log, 'image store not usable', error),
      );
    },
  };
}

/**
 * Returns the request, or why it is not ours: it asks for something else, and not for a directory of ours. Throws
 * `VOLUME_REQUEST_*` for any other request that cannot be served.
 */
function parseOurs(
  call: SecureMountCall,
  { loaded, volumes }: Omit<VolumeRequestPorts, 'log'>,
): PurposefulRequest | SealiftError {
  const { volume, store } = loaded.configuration;
  const { mountPoint, memoryMountPoint, mountRoots } = volume;
  try {
    return parseSecureMount(call, { imageStore: mountPoint.value, mountRoots: mountRoots.value });
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'VOLUME_REQUEST_UNSUPPORTED') throw error;
    // No other program may mount anything over the image store or a volume.
    const ours = [mountPoint, memoryMountPoint, store.state];
    const isOurs = ours.some(({ value }) => pathsOverlap(call.mountPoint, value));
    if (isOurs || !isNormal(call.mountPoint) || volumes.containers.owns(call.mountPoint)) throw error;
    return error;
  }
}

/** A path that is not in normal form, but for slashes at its end, may lead anywhere. */
function isNormal(unsafePath: string): boolean {
  const withoutSlashes = (path: string) => path.replace(/\/+$/, '');
  return withoutSlashes(normalize(unsafePath)) === withoutSlashes(unsafePath);
}

/** Where the configuration does not require the device, its failure must not fail the container that brings it. */
function memoryInstead(volume: Volume, { failure, log }: { readonly failure: unknown; readonly log: Logger }): string {
  const { backing } = volume.summary();
  if (backing?.kind !== 'memory') throw failure;
  const { directory, reason } = backing;
  log.warn({ directory, reason }, 'memory is used instead of the image store');
  return directory;
}

function logVolume(status: VolumeStatus, { log, message }: { readonly log: Logger; readonly message: string }): void {
  const { state, backing, device, cipher, integrity } = status;
  const { kind: place, reason } = backing ?? {};
  log.info({ state, place, reason, deviceId: device?.deviceId, cipher, integrity }, message);
}
