import { assertEndpointAllowed, assertTransportAllowed } from '../config/index.ts';
import type { HttpClient, TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import { formatRepositoryName } from '../oci/index.ts';
import {
  createImageSupply,
  createRegistrySource,
  fallBackAnonymously,
  type RegistryClock,
  type SupplyEndpoint,
} from '../registry/index.ts';
import type { EndpointAccess, ImageEndpoints } from './types.ts';
import { waitForNames } from './wait-for-name.ts';

export interface ImageEndpointOptions {
  readonly openHttp: (transport: TransportSettings) => HttpClient;
  readonly limits: Limits;
  readonly clock: RegistryClock;
  /** The transport to addresses that an image names for its foreign layers; undefined: these are not asked. */
  readonly foreignTransport: TransportSettings | undefined;
  /** Receives sentences for the user, now and while the endpoints are asked. */
  readonly onRemark: (remark: string) => void;
}

/** Makes the endpoints of an image usable. No endpoint is asked before the supply's first call. */
export function openImageEndpoints(
  endpoints: readonly EndpointAccess[],
  options: ImageEndpointOptions,
): ImageEndpoints {
  const { limits, onRemark, foreignTransport } = options;
  for (const { remark } of endpoints) if (remark !== undefined) onRemark(remark);
  const opened = endpoints.map((endpoint, index) => {
    return openEndpoint(endpoint, { ...options, hasAlternative: index + 1 < endpoints.length });
  });
  return {
    supply: createImageSupply(opened, { limits, onRemark, foreignTransport }),
    assertTransport: (image) => {
      for (const { configuration, chosenBy } of endpoints) {
        assertTransportAllowed(configuration, image.proof);
        if (chosenBy !== undefined) assertEndpointAllowed(chosenBy, image.proof);
      }
    },
  };
}

function openEndpoint(
  endpoint: EndpointAccess,
  options: ImageEndpointOptions & { readonly hasAlternative: boolean },
): SupplyEndpoint {
  const { reference, transport, allowHttp, mirrorApi, credentials, deadlineMs, anonymousFallback = false } = endpoint;
  const { limits, clock, hasAlternative, onRemark } = options;
  const client = options.openHttp(transport);
  const http = endpoint.waitForName === undefined ? client : waitForNames(client, transport, endpoint.waitForName);
  const name = formatRepositoryName(reference);
  const common = { reference, http, allowHttp, hasAlternative, mirrorApi, limits, clock, deadlineMs };
  const source = createRegistrySource({
    ...common,
    credentials,
    missingCredentialsHint: endpoint.missingCredentialsHint,
  });
  if (!anonymousFallback || credentials === undefined) return { name, source, transport };
  const anonymous = createRegistrySource({ ...common, credentials: undefined });
  const remark = `${name}: the credentials for it were refused, asked without any`;
  return { name, transport, source: fallBackAnonymously(source, anonymous, () => onRemark(remark)) };
}
