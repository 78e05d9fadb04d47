export { askHelper } from './ask-helper.ts';
export { parseAuthFile, parseUserPassword } from './auth-file.ts';
export { apiUrl, type MirrorApi, registryHost } from './connection.ts';
export { credentialSourceFor, credentialsFor } from './credentials.ts';
export { fallBackAnonymously } from './fall-back-anonymously.ts';
export { createImageSupply, type SupplyEndpoint, type SupplyOptions } from './image-supply.ts';
export { createRegistrySource, type RegistrySourceOptions } from './registry-source.ts';
export type {
  AuthFile,
  BlobOffer,
  CredentialHelper,
  CredentialSource,
  Credentials,
  FetchedDocument,
  HelperEnd,
  ImageSource,
  ImageSupply,
  LookUpCredentials,
  RegistryClock,
  RepositoryName,
  RunHelper,
} from './types.ts';
