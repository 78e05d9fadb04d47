import { daemonHint, SealiftError, withHint } from '../../errors/index.ts';
import { LIMITS } from '../../limits/index.ts';
import { CHECK_PATH } from '../load-named-file.ts';
import { loadTextFile, REPLACE_FILE } from '../load-text-file.ts';
import type { Environment } from '../parse-environment.ts';
import type { NamedFile } from '../types.ts';
import { resolveDaemonConfiguration } from './resolve-daemon-configuration.ts';
import type { DaemonConfiguration } from './types.ts';

/** The file that Contrast's initdata processor unpacks from the data that the host passed. */
const DEFAULT_IMAGEPULLER_FILE = '/run/insecure-cfg/imagepuller.toml';

export interface DaemonInputs {
  /** The file given with -c, which is measured. A path must name a regular file; see `loadNamedFile` for any other. */
  readonly file: string | NamedFile | undefined;
  readonly environment: Environment;
  /** The text of /proc/cmdline. */
  readonly kernelCommandLine: string;
  /** The path of imagepuller.toml; the file may be absent. */
  readonly imagepullerFile?: string;
}

/**
 * Loads the configuration of the daemon. Throws `CONFIG_FILE_INVALID` and `CONFIG_CLASS_REFUSED`; settings that only
 * prevent pulls are in `pullObstacles`.
 */
export function loadDaemonConfiguration(inputs: DaemonInputs): DaemonConfiguration {
  try {
    return loadFiles(inputs);
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    // The rooms below serve both programs, and their hints are those of the command line.
    throw withHint(error, daemonHint(error));
  }
}

function loadFiles(inputs: DaemonInputs): DaemonConfiguration {
  const { file, environment, kernelCommandLine, imagepullerFile = DEFAULT_IMAGEPULLER_FILE } = inputs;
  const common = {
    what: 'configuration',
    maxBytes: LIMITS.maxConfigurationBytes.default,
    code: 'CONFIG_FILE_INVALID',
  } as const;
  const imagepuller = loadTextFile({ ...common, path: imagepullerFile, hint: REPLACE_FILE, optional: true });
  return resolveDaemonConfiguration({
    file:
      typeof file === 'string' ? { path: file, text: loadTextFile({ ...common, path: file, hint: CHECK_PATH }) } : file,
    environment,
    kernelCommandLine,
    imagepuller: imagepuller === undefined ? undefined : { path: imagepullerFile, text: imagepuller },
  });
}
