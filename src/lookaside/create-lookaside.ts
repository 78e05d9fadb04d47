import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  certsDirectories,
  type DaemonConfiguration,
  type Environment,
  findLookasideDirectory,
  type LookasideRules,
  loadDaemonLookasideRules,
  loadHostCertificates,
  loadLookasideRules,
  matchLookaside,
} from '../config/index.ts';
import { type EndpointContext, transportSettings, type WaitForName, waitForNames } from '../endpoints/index.ts';
import type { HttpClient, TransportSettings } from '../http/index.ts';
import { type ImageReference, isFileReference } from '../oci/index.ts';
import type { LoadOptions } from '../resources/index.ts';
import type { LookasideStore, SignatureLocations } from '../signature/index.ts';
import { fetchSignature } from './fetch-signature.ts';
import { locateSignature } from './locate-signature.ts';

export interface LookasideContext extends EndpointContext {
  readonly pool: { httpClient(transport: TransportSettings): HttpClient };
}

/** Finds out where signatures of an image's logical name are looked for. Throws `REGISTRIES_D_INVALID`. */
export type LocateSignatures = (reference: ImageReference, signal: AbortSignal) => Promise<SignatureLocations>;

/** What differs between the two programs. */
interface LookasideSources {
  readonly loadRules: (load: LoadOptions) => Promise<LookasideRules>;
  /** The store of names for which the rules name none. */
  readonly defaultBase: URL | undefined;
  /** Directories with folders of certificates for hosts. */
  readonly certificateParents: readonly string[];
  readonly waitForName?: WaitForName | undefined;
  readonly deadlineMs?: number | undefined;
}

/** Where podman and skopeo keep the signatures that they make. */
function defaultBaseOf({ HOME }: Environment, uid: number): URL | undefined {
  if (uid === 0) return pathToFileURL('/var/lib/containers/sigstore');
  return HOME?.startsWith('/') ? pathToFileURL(join(HOME, '.local/share/containers/sigstore')) : undefined;
}

/** The stores of the command line: those of its registries.d, else the one of the tools of containers/image. */
export function cliLookaside(
  context: LookasideContext,
  { environment, uid }: { readonly environment: Environment; readonly uid: number },
): LocateSignatures {
  const { configuration } = context;
  const { certsD } = configuration.pull;
  return createLookaside(context, {
    loadRules: (load) => loadLookasideRules(findLookasideDirectory(configuration, environment), load),
    defaultBase: defaultBaseOf(environment, uid),
    certificateParents: certsD.value === undefined ? certsDirectories(environment) : [certsD.value],
  });
}

export interface DaemonLookasideContext extends LookasideContext {
  readonly configuration: DaemonConfiguration;
  readonly waitForName?: WaitForName | undefined;
  /** When the caller gives up, in monotonic milliseconds; absent if it waits for ever. */
  readonly deadlineMs?: number | undefined;
}

/** The stores that the measured configuration of the daemon names, and no others. */
export function daemonLookaside(context: DaemonLookasideContext): LocateSignatures {
  const { configuration, waitForName, deadlineMs } = context;
  const { certsD } = configuration.pull;
  return createLookaside(context, {
    loadRules: (load) => loadDaemonLookasideRules(configuration, load),
    defaultBase: undefined,
    certificateParents: certsD.value === undefined ? [] : [certsD.value],
    waitForName,
    deadlineMs,
  });
}

function createLookaside(context: LookasideContext, sources: LookasideSources): LocateSignatures {
  const { resources, limits } = context;
  return async (reference, signal) => {
    // The name of files says nothing of where their signatures would be, but some are attached to them.
    if (isFileReference(reference)) return { lookaside: undefined, usesAttachments: true };
    const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
    const section = matchLookaside(await sources.loadRules(load), reference);
    const base = section.lookaside ?? sources.defaultBase;
    const { useSigstoreAttachments: usesAttachments = true } = section;
    if (base === undefined) return { lookaside: undefined, usesAttachments };
    const http = await openStoreHttp(base, context, { ...sources, load });
    const store = openStore(base, reference.path, { context, http, deadlineMs: sources.deadlineMs });
    return { lookaside: { ...store, isConfigured: section.lookaside !== undefined }, usesAttachments };
  };
}

interface StorePorts {
  readonly context: LookasideContext;
  readonly http: HttpClient;
  readonly deadlineMs: number | undefined;
}

function openStore(
  base: URL,
  repository: string,
  { context, http, deadlineMs }: StorePorts,
): Omit<LookasideStore, 'isConfigured'> {
  const { resources, limits } = context;
  const leftMs = () => (deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - performance.now()));
  return {
    locate: (digest, position) => locateSignature(base, repository, { digest, position }),
    fetchSignature: (location, signal) => fetchSignature(location, { http, resources, limits, leftMs }, signal),
  };
}

/**
 * The transport of registries, with the authorities of the store's own folder in certs.d. Client certificates are
 * credentials, so they stay out, as do the settings of registries.
 */
async function openStoreHttp(
  base: URL,
  context: LookasideContext,
  { certificateParents, waitForName, load }: LookasideSources & { readonly load: LoadOptions },
): Promise<HttpClient> {
  const shared = transportSettings(context);
  const certificates =
    base.protocol === 'https:' ? await loadHostCertificates(certificateParents, base.host, load) : undefined;
  const extraRoots = certificates?.extraRoots ?? [];
  const transport = extraRoots.length === 0 ? shared : { ...shared, hosts: [{ host: base.host, extraRoots }] };
  const client = context.pool.httpClient(transport);
  return waitForName === undefined ? client : waitForNames(client, transport, waitForName);
}
