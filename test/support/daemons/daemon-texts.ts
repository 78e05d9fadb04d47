import type { DaemonTexts } from '../../../src/config/daemon/resolve-daemon-configuration.ts';
import { type DaemonConfiguration, resolveDaemonConfiguration } from '../../../src/config/index.ts';

const NOTHING: DaemonTexts = { file: undefined, environment: {}, kernelCommandLine: '', imagepuller: undefined };

export interface DaemonSample {
  readonly toml?: string;
  readonly environment?: DaemonTexts['environment'];
  readonly kernel?: string;
  readonly imagepuller?: string;
}

/** The configuration that follows from these texts and nothing else. */
export function resolveSample({ toml, environment = {}, kernel = '', imagepuller }: DaemonSample): DaemonConfiguration {
  return resolveDaemonConfiguration({
    ...NOTHING,
    file: toml === undefined ? undefined : { path: '/c.toml', text: toml },
    environment,
    kernelCommandLine: kernel,
    imagepuller: imagepuller === undefined ? undefined : { path: '/i.toml', text: imagepuller },
  });
}
