import {
  addHostMirrors,
  assertCredentialsAllowed,
  type Classified,
  type Configuration,
  configureRegistry,
  type DaemonConfiguration,
  type Endpoint,
  type HostCertificates,
  loadHostCertificates,
  overridesFor,
  type Registries,
  resolveEndpoints,
} from '../config/index.ts';
import type { Reference } from '../oci/index.ts';
import type { CredentialSource, Credentials } from '../registry/index.ts';
import { type LoadOptions, nameResource } from '../resources/index.ts';
import { accessEndpoint, transportSettings } from './access-endpoint.ts';
import { findCredentialSources } from './find-credential-sources.ts';
import type { EndpointAccess, EndpointContext, FindEndpoints } from './types.ts';
import type { WaitForName } from './wait-for-name.ts';

export interface DaemonEndpointContext extends EndpointContext {
  readonly configuration: DaemonConfiguration;
  /** In a guest that has just started, names cannot be looked up yet. */
  readonly waitForName?: WaitForName;
  /** When the caller gives up, in monotonic milliseconds; absent if it waits for ever. */
  readonly deadlineMs?: number | undefined;
  /** True for a name under which the policy lets no image run without a signature. No name has to be when absent. */
  readonly mustBeSigned?: (reference: Reference) => boolean;
}

/**
 * Each endpoint has what measured files say about its host, and what imagepuller.toml adds. Finding them throws
 * `CONFIG_CLASS_REFUSED` when measured credentials would go over a transport that the host has chosen.
 */
export function daemonEndpoints(context: DaemonEndpointContext, registries: Registries): FindEndpoints {
  const { configuration, limits, resources, mustBeSigned = () => false } = context;
  return async (logical, signal) => {
    const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
    const isProven = logical.digest !== undefined || mustBeSigned(logical);
    const measured = resolveEndpoints(registries, logical);
    const all = isProven ? addHostMirrors(configuration, registries, measured) : measured;
    const found: EndpointAccess[] = [];
    for (const endpoint of all) found.push(await daemonEndpoint(endpoint, { ...context, isProven }, load));
    return found;
  };
}

interface ProofContext extends DaemonEndpointContext {
  /** Whether a digest or a signature will prove the bytes of the image, whatever they come over. */
  readonly isProven: boolean;
}

async function daemonEndpoint(
  endpoint: Endpoint,
  { configuration: daemonConfiguration, userAgent, waitForName, deadlineMs, isProven }: ProofContext,
  load: LoadOptions,
): Promise<EndpointAccess> {
  const { reference, insecure, mirrorApi } = endpoint;
  const override = overridesFor(daemonConfiguration, reference.domain);
  // A mirror without an entry of its own is trusted as the registry that it mirrors, and has no credentials.
  const host = override === undefined ? (mirrorApi?.namespace ?? reference.domain) : reference.domain;
  const { configuration, systemRoots } = configureRegistry(daemonConfiguration, host);
  // An unmeasured mirror may have the name of a registry that the measured secrets are meant for.
  const measured = endpoint.class === 'measured' ? await measuredSecrets(reference, configuration, load) : {};
  const base = { ...transportSettings({ configuration, userAgent }), systemRoots };
  return {
    ...accessEndpoint(endpoint, { base, certificates: measured.certificates, insecure }),
    // What the host says may help the bytes of a proven image arrive, and no others.
    credentials: measured.credentials ?? (isProven ? override?.credentials : undefined),
    missingCredentialsHint: hintAt(endpoint, configuration),
    remark: measured.remark,
    anonymousFallback: daemonConfiguration.anonymousFallback.value,
    configuration,
    chosenBy: { class: endpoint.class, origin: endpoint.origin },
    waitForName,
    deadlineMs,
  };
}

/** Undefined for an endpoint of the host, for which no measured credentials are looked for. */
function hintAt({ reference, class: origin }: Endpoint, { pull }: Configuration): string | undefined {
  if (origin !== 'measured') return undefined;
  const { value: path } = pull.authfile;
  const setting = 'image.authenticated_registry_credentials_uri (pull.authfile)';
  return path === undefined
    ? `no credentials for ${reference.domain} are configured: name a file that has them in ${setting}`
    : `no credentials for ${reference.domain} were found in ${nameResource(path)}, the file of ${setting}`;
}

/** What measured files hold for one endpoint. */
interface MeasuredSecrets {
  readonly credentials?: Credentials | undefined;
  readonly certificates?: HostCertificates | undefined;
  readonly remark?: string | undefined;
}

async function measuredSecrets(
  reference: Reference,
  configuration: Configuration,
  load: LoadOptions,
): Promise<MeasuredSecrets> {
  const { authfile, certsD } = configuration.pull;
  const [source] = authfile.value === undefined ? [] : await findCredentialSources(reference, [authfile.value], load);
  const credentials = source?.kind === 'known' ? source.credentials : undefined;
  const certificates =
    certsD.value === undefined ? undefined : await loadHostCertificates([certsD.value], reference.domain, load);
  if (credentials !== undefined) assertCredentialsAllowed(configuration, authfile.class);
  if (certificates !== undefined && certificates.clientCertificates.length > 0) {
    assertCredentialsAllowed(configuration, certsD.class);
  }
  return { credentials, certificates, remark: source?.kind === 'helper' ? helperRemark(source, authfile) : undefined };
}

/** A guest has no credential helpers, and no user who would unlock a keychain. */
function helperRemark(
  { helper }: Extract<CredentialSource, { kind: 'helper' }>,
  { value: path }: Classified<string | undefined>,
): string {
  const { name, server } = helper;
  return `credentials file ${nameResource(path ?? '')}: docker-credential-${name} is not run here, so there are no credentials for ${server}`;
}
