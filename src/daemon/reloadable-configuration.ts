import { type DaemonConfiguration, resolveDaemonConfiguration } from '../config/index.ts';
import { asSealiftError, type SealiftError } from '../errors/index.ts';

/**
 * The configuration that holds now. With a `failure` it is the default one, and every pull is answered with the failure:
 * that says more than a socket that is not there.
 */
export interface LoadedConfiguration {
  readonly configuration: DaemonConfiguration;
  readonly failure: SealiftError | undefined;
}

/** Returns the default configuration, which stands in for one that cannot be loaded. */
export function defaultsBecause(error: unknown): LoadedConfiguration {
  const texts = { file: undefined, environment: {}, kernelCommandLine: '', imagepuller: undefined };
  return { configuration: resolveDaemonConfiguration(texts), failure: asSealiftError(error) };
}

/** A configuration that a signal loads again. Loading for the first time never throws. */
export class ReloadableConfiguration implements LoadedConfiguration {
  readonly #load: (isFirst: boolean) => DaemonConfiguration;
  #loaded: LoadedConfiguration;

  constructor(load: (isFirst: boolean) => DaemonConfiguration) {
    this.#load = load;
    this.#loaded = this.#tryToLoad(true);
  }

  get configuration(): DaemonConfiguration {
    return this.#loaded.configuration;
  }

  get failure(): SealiftError | undefined {
    return this.#loaded.failure;
  }

  /** Returns why the files cannot be used; the configuration stays as it was then. */
  reload(): SealiftError | undefined {
    const loaded = this.#tryToLoad(false);
    if (loaded.failure === undefined) this.#loaded = loaded;
    return loaded.failure;
  }

  #tryToLoad(isFirst: boolean): LoadedConfiguration {
    try {
      return { configuration: this.#load(isFirst), failure: undefined };
    } catch (error) {
      return defaultsBecause(error);
    }
  }
}
