import { lstatSync } from 'node:fs';
import type { SecureMountCall } from '../api/index.ts';
import type { Logger } from '../log/index.ts';
import { parseSecureMount, type Volume, type VolumeStatus } from '../volume/index.ts';
import { logFailure } from './log-failure.ts';
import type { LoadedConfiguration } from './reloadable-configuration.ts';

export interface VolumeRequestPorts {
  readonly loaded: LoadedConfiguration;
  readonly volume: Volume;
  readonly log: Logger;
}

/** What makes a disk the image store: a call of the kata agent, or a device that is there at the start. */
export interface VolumeRequests {
  /** Returns where the store is mounted. Throws `VOLUME_*`. */
  secureMount(call: SecureMountCall): Promise<{ readonly mountPath: string }>;
  /** Makes a device with one of the configured names the image store. Does not wait for it. */
  findDevice(): void;
}

export function createVolumeRequests({ loaded, volume, log }: VolumeRequestPorts): VolumeRequests {
  return {
    secureMount: async (call) => {
      const { mountPoint } = loaded.configuration.volume;
      const request = parseSecureMount(call, [mountPoint.value]);
      log.info({ requestId: call.requestId, request }, 'secure mount requested');
      try {
        logVolume(await volume.prepare(request), log);
      } catch (error) {
        logFailure(log, 'secure mount failed', error);
        return { mountPath: memoryInstead(volume, { failure: error, log }) };
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
      volume.prepare({ source, mountPoint: mountPoint.value }).then(
        (status) => logVolume(status, log),
        (error: unknown) => logFailure(log, 'image store not usable', error),
      );
    },
  };
}

/** Where the configuration does not require the device, its failure must not fail the container that brings it. */
function memoryInstead(volume: Volume, { failure, log }: { readonly failure: unknown; readonly log: Logger }): string {
  const { backing } = volume.summary();
  if (backing?.kind !== 'memory') throw failure;
  const { directory, reason } = backing;
  log.warn({ directory, reason }, 'memory is used instead of the image store');
  return directory;
}

function logVolume({ state, backing, device, cipher, integrity }: VolumeStatus, log: Logger): void {
  const { kind: place, reason } = backing ?? {};
  log.info({ state, place, reason, deviceId: device?.deviceId, cipher, integrity }, 'image store');
}
