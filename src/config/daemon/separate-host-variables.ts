import type { Environment } from '../parse-environment.ts';
import type { PullObstacle } from './types.ts';

/** Variables that count as measured, because the unit file or components.toml sets them, and what to set instead. */
const MEASURED_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS', 'authenticated_registry_credentials_uri in [image]'],
  ['AA_SOCKET', 'api.aa_socket'],
]);

interface SeparatedEnvironment {
  /** The variables without those that the host may have set in place of the measured sources. */
  readonly environment: Environment;
  readonly obstacles: readonly PullObstacle[];
}

/**
 * Takes out the variables that count as measured and that the kernel command line, which the host wrote, names as well.
 * The kernel passes words that it does not know to init as environment, and an agent that runs as init passes them on;
 * systemd does so with `systemd.setenv`. The environment does not say which of them has set a variable, so pulls are refused.
 * https://docs.kernel.org/admin-guide/kernel-parameters.html
 */
export function separateHostVariables(environment: Environment, kernelCommandLine: string): SeparatedEnvironment {
  // Kernel and systemd take quotes away, wherever they are.
  const text = kernelCommandLine.replaceAll(/["']/g, '');
  const doubtful = [...MEASURED_VARIABLES].filter(([name]) => environment[name] && text.includes(`${name}=`));
  const names = new Set(doubtful.map(([name]) => name));
  return {
    environment: Object.fromEntries(Object.entries(environment).filter(([name]) => !names.has(name))),
    obstacles: doubtful.map(([key, setting]) => ({
      code: 'CONFIG_CLASS_REFUSED',
      key,
      origin: 'environment',
      reason: 'expected a measured source, but the kernel command line names the variable, and the host wrote that',
      hint: `set ${setting} in the measured configuration file, and remove the variable`,
    })),
  };
}
