import { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { type Method, type Services, succeed } from '../ttrpc/index.ts';
import { createHubMethod } from './create-hub-method.ts';
import type { HubOperation } from './fail-as-hub.ts';
import { defineApiMessages } from './messages.ts';
import type { ApiLimits, ApiPorts, ServiceName } from './types.ts';

type ServicePorts = { readonly ports: ApiPorts; readonly limits: ApiLimits; readonly log: Logger };
type Methods = ReadonlyMap<string, Method>;

const CREATE: Readonly<Record<ServiceName, (options: ServicePorts) => Methods>> = {
  'api.ImagePullService': (options) => new Map([['PullImage', pullImage(options)]]),
  'api.SecureMountService': (options) => new Map([['SecureMount', secureMount(options)]]),
  'api.GetResourceService': (options) => new Map([['GetResource', pass('getResource', options)]]),
  'api.SealedSecretService': (options) => new Map([['UnsealSecret', pass('unsealSecret', options)]]),
  'keyprovider.KeyProviderService': (options) => new Map([['UnWrapKey', pass('unwrapKey', options)]]),
};

const NANOS_PER_MS = 1_000_000n;

/** Creates the named services. */
export function createServices(names: readonly ServiceName[], options: ServicePorts): Services {
  return new Map(names.map((name) => [name, CREATE[name](options)]));
}

function pullImage({ ports, limits, log }: ServicePorts): Method {
  const { pullImageRequest, pullImageResponse } = defineApiMessages(limits);
  return createHubMethod(
    'pullImage',
    async ({ payload, signal, timeoutNanos }, requestId) => {
      const { imageUrl, bundlePath } = pullImageRequest.decode(payload);
      const { manifestDigest } = await ports.pullImage({
        ...{ imageUrl, bundlePath, requestId, signal },
        ...(timeoutNanos === undefined ? {} : { timeoutMs: Number(timeoutNanos / NANOS_PER_MS) }),
      });
      return succeed(pullImageResponse.encode({ manifestDigest }));
    },
    log,
  );
}

function secureMount({ ports, limits, log }: ServicePorts): Method {
  const { secureMountRequest, secureMountResponse } = defineApiMessages(limits);
  return createHubMethod(
    'secureMount',
    async (call, requestId) => {
      const request = secureMountRequest.decode(call.payload);
      const answer = await ports.secureMount({ ...request, requestId, signal: call.signal });
      if ('mountPath' in answer) return succeed(secureMountResponse.encode({ mountPath: answer.mountPath }));
      if (ports.passThrough === undefined) throw answer.notOurs;
      log.info({ requestId, reason: answer.notOurs.message }, 'secure mount passed on to confidential-data-hub');
      return ports.passThrough(call);
    },
    log,
  );
}

function pass(operation: HubOperation, { ports, log }: ServicePorts): Method {
  return createHubMethod(
    operation,
    async (call) => {
      if (ports.passThrough !== undefined) return await ports.passThrough(call);
      const message = `${call.service}/${call.method}: expected a confidential-data-hub to pass it on to, got none in the configuration`;
      throw new SealiftError('API_PASS_THROUGH_MISSING', message);
    },
    log,
  );
}
