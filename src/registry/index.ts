export { parseAuthFile, parseUserPassword } from './auth-file.ts';
export { type MirrorApi, registryHost } from './connection.ts';
export { credentialsFor } from './credentials.ts';
export { createImageSupply, type SupplyEndpoint, type SupplyOptions } from './image-supply.ts';
export { createRegistrySource, type RegistrySourceOptions } from './registry-source.ts';
export type {
  AuthFile,
  BlobOffer,
  Credentials,
  FetchedDocument,
  ImageSource,
  ImageSupply,
  RegistryClock,
  RepositoryName,
} from './types.ts';
