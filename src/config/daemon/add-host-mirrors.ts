import { isBlocked } from '../registries/resolve-endpoints.ts';
import type { Endpoint, Registries } from '../registries/types.ts';
import { overridesFor } from './configure-registry.ts';
import type { DaemonConfiguration } from './types.ts';

/** Mirrors know Docker Hub as docker.io only. */
function namespaceOf(domain: string): string {
  return domain === 'index.docker.io' ? 'docker.io' : domain;
}

/**
 * Returns the endpoints of an image, with the mirror that imagepuller.toml has for its registry before each of them.
 * The host may have written that file, so call it only for images whose bytes are proven by a digest or a signature. A
 * mirror that the owner blocked is left out.
 */
export function addHostMirrors(
  configuration: Pick<DaemonConfiguration, 'registryOverrides'>,
  registries: Registries,
  endpoints: readonly Endpoint[],
): readonly Endpoint[] {
  return endpoints.flatMap((endpoint) => {
    const { reference } = endpoint;
    const override = overridesFor(configuration, reference.domain);
    if (override?.mirror === undefined) return [endpoint];
    const { host, prefix, insecure } = override.mirror;
    const mirror: Endpoint = {
      reference: { ...reference, domain: host },
      insecure,
      class: override.class,
      origin: override.origin,
      mirrorApi: { prefix, namespace: namespaceOf(reference.domain) },
    };
    return isBlocked(registries, mirror.reference) ? [endpoint] : [mirror, endpoint];
  });
}
