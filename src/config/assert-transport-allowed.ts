import { SealiftError } from '../errors/index.ts';
import type { ImageProof } from '../signature/index.ts';
import type { Endpoint } from './registries/types.ts';
import type { Classified, Configuration, ConfigurationClass } from './types.ts';

function unmeasuredTransport({ pull }: Configuration): Classified<unknown> | undefined {
  const { tlsVerify, extraRootCertificates, proxy } = pull;
  const settings = [tlsVerify, extraRootCertificates, proxy.https, proxy.http, proxy.noProxy];
  return settings.find((setting) => setting.class === 'unmeasured');
}

/**
 * Throws `CONFIG_CLASS_REFUSED` for a tag that policy accepts unsigned while an unmeasured source chose CAs or a proxy,
 * or switched verification off: TLS would be the only check, and the host would have chosen it.
 */
export function assertTransportAllowed(configuration: Configuration, proof: ImageProof): void {
  const transport = unmeasuredTransport(configuration);
  if (proof !== 'none' || transport === undefined) return;
  throw new SealiftError(
    'CONFIG_CLASS_REFUSED',
    `transport from ${transport.origin}: expected measured settings for an image without digest or signature`,
    { context: { origin: transport.origin } },
  );
}

/** Throws `CONFIG_CLASS_REFUSED` for such a tag while an unmeasured source chose where it comes from. */
export function assertEndpointAllowed(
  { class: endpointClass, origin }: Pick<Endpoint, 'class' | 'origin'>,
  proof: ImageProof,
): void {
  if (proof !== 'none' || endpointClass === 'measured') return;
  throw new SealiftError(
    'CONFIG_CLASS_REFUSED',
    `endpoint from ${origin}: expected a measured mirror for an image without digest or signature`,
    { context: { origin } },
  );
}

/** Throws `CONFIG_CLASS_REFUSED` when measured credentials would travel over a transport that the host chose. */
export function assertCredentialsAllowed(configuration: Configuration, credentials: ConfigurationClass): void {
  const transport = unmeasuredTransport(configuration);
  if (credentials === 'unmeasured' || transport === undefined) return;
  throw new SealiftError(
    'CONFIG_CLASS_REFUSED',
    `transport from ${transport.origin}: expected measured settings for credentials from a measured source`,
    { context: { origin: transport.origin } },
  );
}
