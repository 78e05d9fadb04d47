import {
  authfileCandidates,
  certsDirectories,
  type Endpoint,
  type Environment,
  findAuthfiles,
  type HostCertificates,
  loadCertificates,
  loadHostCertificates,
  type Registries,
  resolveEndpoints,
} from '../config/index.ts';
import type { Reference } from '../oci/index.ts';
import {
  askHelper,
  type CredentialSource,
  type Credentials,
  type LookUpCredentials,
  type RunHelper,
} from '../registry/index.ts';
import type { LoadOptions } from '../resources/index.ts';
import { accessEndpoint, transportSettings } from './access-endpoint.ts';
import { findCredentialSources } from './find-credential-sources.ts';
import type { EndpointAccess, EndpointContext, FindEndpoints } from './types.ts';

export interface CliEndpointOptions {
  readonly environment: Environment;
  /** The user's number, for the credentials files of the user. */
  readonly uid: number;
  readonly registries: Registries;
  /** Given on the command line: for the registry that the reference names, and for no mirror. */
  readonly credentials: Credentials | undefined;
  /** Given on the command line: certificates for the registry that the reference names. */
  readonly certDir: string | undefined;
  readonly runHelper: RunHelper;
}

/** One image whose endpoints are found: the name that the user wrote, and how its files are loaded. */
interface EndpointSearch {
  readonly logical: Reference;
  readonly load: LoadOptions;
}

/**
 * Credentials are those of the command line, else of the file that was named, else of the user's own files; certificates
 * likewise.
 */
export function cliEndpoints(context: EndpointContext, options: CliEndpointOptions): FindEndpoints {
  const { limits, resources } = context;
  return async (logical, signal) => {
    const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
    const found: EndpointAccess[] = [];
    for (const endpoint of resolveEndpoints(options.registries, logical)) {
      found.push(await cliEndpoint(endpoint, { logical, load }, { ...context, ...options }));
    }
    return found;
  };
}

/** Returns the credentials files that pulls of the command line read. */
export function cliAuthfiles(
  { configuration }: Pick<EndpointContext, 'configuration'>,
  { environment, uid }: Pick<CliEndpointOptions, 'environment' | 'uid'>,
): readonly string[] {
  const { authfile } = configuration.pull;
  return authfile.value === undefined ? findAuthfiles(environment, uid) : [authfile.value];
}

async function cliEndpoint(
  endpoint: Endpoint,
  search: EndpointSearch,
  options: EndpointContext & CliEndpointOptions,
): Promise<EndpointAccess> {
  const { configuration } = options;
  const { tlsVerify } = configuration.pull;
  // A flag that asks for verification means all endpoints, as in skopeo.
  const isVerified = tlsVerify.value && tlsVerify.origin.startsWith('flag ');
  const transport = {
    base: transportSettings(options),
    certificates: await certificatesOf(endpoint, search, options),
    insecure: endpoint.insecure && !isVerified,
  };
  const credentials = await credentialsOf(endpoint, search, options);
  const missingCredentialsHint = hintAt(endpoint, options);
  return { ...accessEndpoint(endpoint, transport), credentials, missingCredentialsHint, configuration };
}

function hintAt({ reference }: Endpoint, options: EndpointContext & CliEndpointOptions): string {
  const { value } = options.configuration.pull.authfile;
  const paths = value === undefined ? authfileCandidates(options.environment, options.uid) : [value];
  return (
    `no credentials for ${reference.domain} were found in ${paths.join(', ')}: ` +
    'log in to it with podman or skopeo, or give --authfile or --creds'
  );
}

function certificatesOf(
  { reference }: Endpoint,
  { logical, load }: EndpointSearch,
  { configuration, environment, certDir }: EndpointContext & CliEndpointOptions,
): Promise<HostCertificates | undefined> {
  if (certDir !== undefined && reference.domain === logical.domain) return loadCertificates(certDir, load);
  const { certsD } = configuration.pull;
  const parents = certsD.value === undefined ? certsDirectories(environment) : [certsD.value];
  return loadHostCertificates(parents, reference.domain, load);
}

async function credentialsOf(
  { reference }: Endpoint,
  { logical, load }: EndpointSearch,
  options: EndpointContext & CliEndpointOptions,
): Promise<Credentials | LookUpCredentials | undefined> {
  const { credentials, runHelper } = options;
  if (credentials !== undefined && reference.domain === logical.domain) return credentials;
  return lookUpIn(await findCredentialSources(reference, cliAuthfiles(options, options), load), runHelper);
}

/** Returns the credentials of the first source that has some. A helper does not run before its registry has answered. */
function lookUpIn(sources: readonly CredentialSource[], run: RunHelper): Credentials | LookUpCredentials | undefined {
  const [first] = sources;
  if (first === undefined || first.kind === 'known') return first?.credentials;
  return async () => {
    for (const source of sources) {
      const found = source.kind === 'known' ? source.credentials : await askHelper(run, source.helper);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}
