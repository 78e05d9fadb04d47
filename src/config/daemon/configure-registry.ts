import type { Classified, Configuration } from '../types.ts';
import { matchRegistry } from './match-registry.ts';
import type { DaemonConfiguration, RegistryOverride } from './types.ts';

/** Returns the settings of imagepuller.toml for a registry, found by the host (and port) of its references. */
export function overridesFor(
  { registryOverrides }: Pick<DaemonConfiguration, 'registryOverrides'>,
  host: string,
): RegistryOverride | undefined {
  const pattern = matchRegistry(registryOverrides.keys(), host);
  return pattern === undefined ? undefined : registryOverrides.get(pattern);
}

interface RegistryConfiguration {
  /**
   * The configuration with the transport of this registry, for `assertTransportAllowed` and `assertCredentialsAllowed`.
   */
  readonly configuration: Configuration;
  /** The override of imagepuller.toml, which is unmeasured: credentials from a measured file are stronger. */
  readonly override: RegistryOverride | undefined;
  /** False: only the certificates of the configuration are trusted as roots. */
  readonly systemRoots: boolean;
}

function mayReplace({ class: valueClass, origin }: Classified<unknown>): boolean {
  return valueClass === 'unmeasured' || origin === 'default';
}

/** Returns the configuration for one registry. imagepuller.toml never replaces a measured value. */
export function configureRegistry(configuration: DaemonConfiguration, host: string): RegistryConfiguration {
  const override = overridesFor(configuration, host);
  if (override === undefined) return { configuration, override, systemRoots: true };
  const { pull } = configuration;
  const { tlsVerify, rootCertificates, origin } = override;
  const replace = <T>(current: Classified<T>, value: T | undefined): Classified<T> =>
    value === undefined || !mayReplace(current) ? current : { value, class: 'unmeasured', origin };
  const extraRootCertificates = replace(pull.extraRootCertificates, rootCertificates);
  return {
    configuration: {
      ...configuration,
      pull: { ...pull, tlsVerify: replace(pull.tlsVerify, tlsVerify), extraRootCertificates },
    },
    override,
    systemRoots: extraRootCertificates === pull.extraRootCertificates,
  };
}
