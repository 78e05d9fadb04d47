import { type Environment, loadDaemonConfiguration, loadNamedFile } from '../config/index.ts';
import { SealiftError } from '../errors/index.ts';
import { defaultsBecause, type LoadedConfiguration } from './reloadable-configuration.ts';

/** The sources of the daemon's configuration for a program that only looks at the daemon. */
export interface ViewedFiles {
  /** Given with -c; it may be a pipe. */
  readonly configFile: string | undefined;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  /** True to take the default configuration when the files cannot be used, as the daemon does. */
  readonly allowsDefaults?: boolean | undefined;
}

/** Loads the configuration of the daemon. Throws `PULL_CANCELLED`, and its failure unless the defaults are allowed. */
export async function loadViewedConfiguration(
  { configFile, environment, signal, allowsDefaults = false }: ViewedFiles,
  kernelCommandLine: string,
): Promise<LoadedConfiguration> {
  try {
    const file = await loadNamedFile(configFile, signal);
    return { configuration: loadDaemonConfiguration({ file, environment, kernelCommandLine }), failure: undefined };
  } catch (error) {
    const isCancelled = error instanceof SealiftError && error.code === 'PULL_CANCELLED';
    if (isCancelled || !allowsDefaults) throw error;
    return defaultsBecause(error);
  }
}
