import type { StoreStatusResult } from '../cli/index.ts';
import {
  daemonStateDir,
  type LoadedConfiguration,
  loadViewedConfiguration,
  recordedBacking,
  type ViewedFiles,
  volumesSettings,
} from '../daemon/index.ts';
import { readBootId, readKernelCommandLine } from '../platform/index.ts';
import type { StoreBacking } from '../pull/index.ts';
import { mountedUppers } from '../snapshot/index.ts';
import { countRecords } from '../store/index.ts';
import { readContainerVolumes, readVolumeStatus, type VolumeStatus } from '../volume/index.ts';
import { openParts, type Parts, type PartsOptions } from './parts.ts';

/** The daemon as another process sees it: its configuration, and what it has recorded of its volume. */
export interface DaemonView extends LoadedConfiguration {
  readonly parts: Parts;
  readonly status: VolumeStatus;
  /** The store that the daemon pulls into; see {@link recordedBacking}. */
  readonly backing: () => StoreBacking;
  readonly readVolumes: () => Promise<readonly VolumeStatus[]>;
}

export type ViewOptions = PartsOptions & ViewedFiles;

/** Runs with a view of the daemon, and ends its threads afterwards. */
export async function withDaemon<T>(options: ViewOptions, run: (daemon: DaemonView) => Promise<T>): Promise<T> {
  const { configuration, failure } = await loadViewedConfiguration(options, readKernelCommandLine());
  const parts = openParts(configuration, { ...options, keyBroker: () => configuration.keyBroker.value });
  const { limits, pool } = parts;
  try {
    const settings = volumesSettings(configuration, limits, readBootId());
    const ports = { runOperation: pool.runner('volume') };
    const status = await readVolumeStatus(settings.imageStore, ports);
    const backing = () => recordedBacking(configuration, status);
    const readVolumes = () => readContainerVolumes(settings, ports);
    return await run({ parts, configuration, failure, status, backing, readVolumes });
  } finally {
    pool.close();
  }
}

/** Counts what the records of the store say. Opens and locks nothing. */
export async function describeStore({ configuration, status, readVolumes }: DaemonView): Promise<StoreStatusResult> {
  const { backing, ...rest } = status;
  const { images, layers, mountIds } = countRecords(daemonStateDir(configuration, backing));
  const mounts = mountedUppers(mountIds).size;
  return { ...rest, place: backing, images, layers, mounts, volumes: await readVolumes() };
}
