import type { Endpoint, HostCertificates } from '../config/index.ts';
import type { TransportSettings } from '../http/index.ts';
import { apiUrl, registryHost } from '../registry/index.ts';
import type { EndpointAccess, EndpointContext } from './types.ts';

/** Returns the transport that holds for every endpoint, before what is set for single hosts. */
export function transportSettings({
  configuration,
  userAgent,
}: Pick<EndpointContext, 'configuration' | 'userAgent'>): TransportSettings {
  const { tlsVerify, extraRootCertificates, proxy } = configuration.pull;
  return {
    tlsVerify: tlsVerify.value,
    extraRoots: extraRootCertificates.value,
    userAgent,
    proxy: { https: proxy.https.value, http: proxy.http.value, noProxy: proxy.noProxy.value },
  };
}

export interface EndpointTransport {
  /** The transport without settings for the host. */
  readonly base: TransportSettings;
  readonly certificates: HostCertificates | undefined;
  /** Plain HTTP and unverified certificates are accepted. */
  readonly insecure: boolean;
}

/** Applies to the transport what holds for the endpoint's host alone. */
export function accessEndpoint(
  { reference, mirrorApi }: Endpoint,
  { base, certificates, insecure }: EndpointTransport,
): Pick<EndpointAccess, 'reference' | 'mirrorApi' | 'transport' | 'allowHttp'> {
  const host = { host: registryHost(reference.domain), ...(insecure ? { tlsVerify: false } : {}), ...certificates };
  const transport = insecure || certificates !== undefined ? { ...base, hosts: [host] } : base;
  return { reference, mirrorApi, transport, allowHttp: insecure || !base.tlsVerify };
}

/** Returns the address of the registry API at an endpoint. */
export function endpointUrl(
  { reference, mirrorApi }: Pick<EndpointAccess, 'reference' | 'mirrorApi'>,
  scheme: 'https' | 'http',
): URL {
  return new URL(apiUrl(`${scheme}://${registryHost(reference.domain)}`, '', mirrorApi));
}
