export { parseAuthFile, parseUserPassword } from './auth-file.ts';
export { credentialsFor } from './credentials.ts';
export { createRegistrySource, type RegistrySourceOptions } from './registry-source.ts';
export type { AuthFile, Credentials, FetchedDocument, ImageSource, RegistryClock, RepositoryName } from './types.ts';
