import { bytesField, defineMessage, textField } from '../ttrpc/index.ts';

/** The text of a URI or a kind of token is short. */
const MAX_TEXT_BYTES = 16_384;

/** https://github.com/confidential-containers/guest-components/blob/main/protos/protos/confidential-data-hub/api.proto */
export const getResourceRequest = defineMessage('GetResourceRequest', { resourcePath: textField(1, MAX_TEXT_BYTES) });
export const getResourceResponse = defineMessage('GetResourceResponse', { resource: bytesField(1) });
export const unsealSecretRequest = defineMessage('UnsealSecretInput', { secret: bytesField(1) });
export const unsealSecretResponse = defineMessage('UnsealSecretOutput', { plaintext: bytesField(1) });

/** https://github.com/confidential-containers/guest-components/blob/main/protos/protos/attestation-agent/attestation-agent.proto */
export const getTokenRequest = defineMessage('GetTokenRequest', { tokenType: textField(1, MAX_TEXT_BYTES) });
export const getTokenResponse = defineMessage('GetTokenResponse', { token: bytesField(1) });
