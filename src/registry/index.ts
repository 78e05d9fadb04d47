export { askHelper } from './ask-helper.ts';
export { parseAuthFile } from './auth-file.ts';
export { apiUrl, type MirrorApi, registryHost } from './connection.ts';
export { credentialSourceFor } from './credentials.ts';
export { fallBackAnonymously } from './fall-back-anonymously.ts';
export { createImageSupply, type SupplyEndpoint } from './image-supply.ts';
export { createRegistrySource } from './registry-source.ts';
export type {
  AuthFile,
  BlobOffer,
  CredentialSource,
  Credentials,
  FetchedDocument,
  ImageSupply,
  LookUpCredentials,
  ReferrersPage,
  RegistryClock,
  RepositoryName,
  RunHelper,
} from './types.ts';
