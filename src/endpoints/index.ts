export { endpointUrl, transportSettings } from './access-endpoint.ts';
export { cliAuthfiles, cliEndpoints } from './cli-endpoints.ts';
export { cliNames, namesFiles } from './cli-names.ts';
export { createHelperRunner } from './create-helper-runner.ts';
export { daemonEndpoints } from './daemon-endpoints.ts';
export {
  findHelpers,
  type LocatedCredentials,
  locateCredentials,
} from './find-credential-sources.ts';
export { openImageEndpoints } from './open-image-endpoints.ts';
export type { EndpointAccess, EndpointContext, FindEndpoints, ImageEndpoints } from './types.ts';
export { type WaitForName, waitForNames } from './wait-for-name.ts';
