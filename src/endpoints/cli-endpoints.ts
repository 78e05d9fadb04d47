import {
  type EndpointAccess,
  type EndpointsOf,
  findCredentialSources,
  type Parts,
  transportSettings,
} from '../compose/parts.ts';
import {
  addHostMirrors,
  assertCredentialsAllowed,
  type Classified,
  certsDirectories,
  configureRegistry,
  type DaemonConfiguration,
  type Endpoint,
  type Environment,
  findAuthfiles,
  type HostCertificates,
  loadCertificates,
  loadHostCertificates,
  overridesFor,
  type Registries,
  resolveEndpoints,
} from '../config/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Reference } from '../oci/index.ts';
import { createCommandRunner } from '../platform/index.ts';
import {
  askHelper,
  type CredentialSource,
  type Credentials,
  type LookUpCredentials,
  type RunHelper,
  registryHost,
} from '../registry/index.ts';

type HelperSource = Extract<CredentialSource, { kind: 'helper' }>;

export interface CliEndpointOptions {
  readonly environment: Environment;
  readonly registries: Registries;
  /** Given on the command line: for the registry that the reference names, and for no mirror. */
  readonly credentials: Credentials | undefined;
  readonly certDir: string | undefined;
}

/** Credentials of the command line; else of the file that was named; else of the user's own files. */
export function cliEndpoints(parts: Parts, options: CliEndpointOptions): EndpointsOf {
  const { configuration, limits } = parts;
  const { authfile, tlsVerify, certsD } = configuration.pull;
  const { environment, registries, credentials, certDir } = options;
  const authfiles =
    authfile.value === undefined ? findAuthfiles(environment, process.getuid?.() ?? 0) : [authfile.value];
  const runHelper = helperRunner(environment, limits);
  const certsParents = certsD.value === undefined ? certsDirectories(environment) : [certsD.value];
  const maxBytes = limits.maxConfigurationBytes;
  // Whoever says that certificates are to be verified means all of them, as skopeo has it.
  const isVerified = tlsVerify.value && tlsVerify.origin.startsWith('flag ');
  return (logical) =>
    resolveEndpoints(registries, logical).map((endpoint) => {
      const { reference } = endpoint;
      const isOwn = reference.domain === logical.domain;
      const certificates =
        isOwn && certDir !== undefined
          ? loadCertificates(certDir, maxBytes)
          : loadHostCertificates(certsParents, reference.domain, maxBytes);
      return {
        ...place(endpoint, {
          base: transportSettings(parts),
          certificates,
          insecure: endpoint.insecure && !isVerified,
        }),
        credentials:
          isOwn && credentials !== undefined
            ? credentials
            : lookUpIn(findCredentialSources(reference, authfiles, limits), runHelper),
        configuration,
      };
    });
}

/** Programs are found as a shell finds them, and have the environment of the user whose keychain it is. */
function helperRunner(environment: Environment, limits: Limits): RunHelper {
  const { credentialHelperTimeoutMs: timeoutMs, maxProgramOutputBytes: maxOutputBytes } = limits;
  const folders = (environment['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const commands = createCommandRunner({ folders, environment, maxOutputBytes });
  return (program, stdin) => commands.start({ program, parameters: ['get'], stdin, timeoutMs }).end;
}

/** The first source that knows some; a helper is not run before its registry has answered. */
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

/**
 * Each place with what measured files say of its host, and what imagepuller.toml does. Throws `CONFIG_CLASS_REFUSED` when
 * measured credentials would go a way that the host has chosen.
 */
export function daemonEndpoints(
  parts: Parts,
  daemonConfiguration: DaemonConfiguration,
  registries: Registries,
): EndpointsOf {
  return (logical) => {
    const endpoints = addHostMirrors(daemonConfiguration, registries, resolveEndpoints(registries, logical));
    return endpoints.map((endpoint) => daemonEndpoint(parts, daemonConfiguration, endpoint));
  };
}

function daemonEndpoint(parts: Parts, daemonConfiguration: DaemonConfiguration, endpoint: Endpoint): EndpointAccess {
  const { reference, insecure, mirrorApi } = endpoint;
  const override = overridesFor(daemonConfiguration, reference.domain);
  // A mirror without an entry of its own is trusted as the registry that it stands for, and has no credentials.
  const host = override === undefined ? (mirrorApi?.namespace ?? reference.domain) : reference.domain;
  const { configuration, systemRoots } = configureRegistry(daemonConfiguration, host);
  // What an unmeasured mirror is called may be the name of somebody whom the measured secrets are meant for.
  const measured = endpoint.class === 'measured' ? measuredSecrets(reference, { ...parts, configuration }) : {};
  const base = { ...transportSettings({ ...parts, configuration }), systemRoots };
  return {
    ...place(endpoint, { base, certificates: measured.certificates, insecure }),
    // What the host says may help the bytes of a pinned image arrive, and no others.
    credentials: measured.credentials ?? (reference.digest === undefined ? undefined : override?.credentials),
    remark: measured.remark,
    anonymousFallback: daemonConfiguration.anonymousFallback.value,
    configuration,
  };
}

interface Secrets {
  readonly credentials?: Credentials | undefined;
  readonly certificates?: HostCertificates | undefined;
  readonly remark?: string | undefined;
}

function measuredSecrets(reference: Reference, { configuration, limits }: Parts): Secrets {
  const { authfile, certsD } = configuration.pull;
  const [source] = authfile.value === undefined ? [] : findCredentialSources(reference, [authfile.value], limits);
  const credentials = source?.kind === 'known' ? source.credentials : undefined;
  const certificates =
    certsD.value === undefined
      ? undefined
      : loadHostCertificates([certsD.value], reference.domain, limits.maxConfigurationBytes);
  if (credentials !== undefined) assertCredentialsAllowed(configuration, authfile.class);
  if (certificates !== undefined && certificates.clientCertificates.length > 0) {
    assertCredentialsAllowed(configuration, certsD.class);
  }
  return { credentials, certificates, remark: source?.kind === 'helper' ? helperRemark(source, authfile) : undefined };
}

/** A guest has neither such programs nor anybody who would unlock a keychain. */
function helperRemark({ helper }: HelperSource, { value: path }: Classified<string | undefined>): string {
  const { name, server } = helper;
  return `credentials file ${path}: docker-credential-${name} is not run here, so that there are none for ${server}`;
}

interface Way {
  readonly base: TransportSettings;
  readonly certificates: HostCertificates | undefined;
  readonly insecure: boolean;
}

function place({ reference, mirrorApi }: Endpoint, { base, certificates, insecure }: Way) {
  const host = { host: registryHost(reference.domain), ...(insecure ? { tlsVerify: false } : {}), ...certificates };
  const transport = insecure || certificates !== undefined ? { ...base, hosts: [host] } : base;
  return { reference, mirrorApi, transport, allowHttp: insecure || !base.tlsVerify };
}
