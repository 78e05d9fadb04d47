import { callProgram } from './call-program.ts';
import { getResourceRequest, getResourceResponse, unsealSecretRequest, unsealSecretResponse } from './messages.ts';
import { assertResourceSize, readingAnswer } from './read-answer.ts';
import type { BrokerLimits, BrokerSource } from './types.ts';

const PROGRAM = 'confidential-data-hub';

/** Asks the confidential-data-hub at a socket, which asks its own key broker, for resources and for sealed secrets. */
export function createHubSource(socketPath: string, limits: BrokerLimits): BrokerSource {
  const hub = { program: PROGRAM, socketPath } as const;
  return {
    isRemote: true,
    fetchResource: async ({ uri }, { signal }) => {
      const call = { ...hub, service: 'api.GetResourceService', method: 'GetResource', subject: uri, signal };
      const payload = getResourceRequest.encode({ resourcePath: uri });
      const answer = await callProgram({ ...call, payload }, limits);
      const { resource } = readingAnswer(`${PROGRAM}: ${uri}`, () => getResourceResponse.decode(answer));
      return assertResourceSize(resource, uri, limits);
    },
    unsealSecret: async (secret, { signal }) => {
      const subject = 'sealed secret';
      const call = { ...hub, service: 'api.SealedSecretService', method: 'UnsealSecret', subject, signal };
      const payload = unsealSecretRequest.encode({ secret: Buffer.from(secret) });
      const answer = await callProgram({ ...call, payload, secrets: [secret] }, limits);
      const { plaintext } = readingAnswer(`${PROGRAM}: ${subject}`, () => unsealSecretResponse.decode(answer));
      return assertResourceSize(plaintext, subject, limits);
    },
  };
}
