import { readFileSync } from 'node:fs';
import type { StoreStatusResult } from '../cli/index.ts';
import { type DaemonConfiguration, type Environment, loadDaemonConfiguration } from '../config/index.ts';
import { daemonStateDir } from '../daemon/index.ts';
import { mountedUppers } from '../snapshot/index.ts';
import { countRecords } from '../store/index.ts';
import { readVolumeStatus, type VolumeStatus } from '../volume/index.ts';
import { openParts, type Parts, type PartsOptions, volumeSettings } from './parts.ts';

/** The daemon as another process sees it: its configuration, and what it has recorded of its volume. */
export interface DaemonView {
  readonly parts: Parts;
  readonly configuration: DaemonConfiguration;
  readonly status: VolumeStatus;
}

export interface ViewOptions extends PartsOptions {
  readonly configFile: string | undefined;
  readonly environment: Environment;
}

/** Runs with a view of the daemon, and ends its threads afterwards. */
export async function withDaemon<T>(options: ViewOptions, run: (daemon: DaemonView) => Promise<T>): Promise<T> {
  const { configFile: file, environment } = options;
  const kernelCommandLine = readFileSync('/proc/cmdline').toString('utf8');
  const parts = openParts(loadDaemonConfiguration({ file, environment, kernelCommandLine }), options);
  const { configuration, limits, pool } = parts;
  try {
    const settings = volumeSettings(configuration, limits);
    const status = await readVolumeStatus(settings, { runOperation: pool.runner('volume') });
    return await run({ parts, configuration, status });
  } finally {
    pool.close();
  }
}

/** Counts what the records of the store say. Opens and locks nothing. */
export async function describeStore({ configuration, status }: DaemonView): Promise<StoreStatusResult> {
  const { backing, ...rest } = status;
  const { images, layers, mountIds } = countRecords(daemonStateDir(configuration, backing));
  return { ...rest, place: backing, images, layers, mounts: mountedUppers(mountIds).size };
}
