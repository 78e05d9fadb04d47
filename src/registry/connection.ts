import { raceCancellation, SealiftError } from '../errors/index.ts';
import type { DocumentResponse, HttpClient, HttpRequest } from '../http/index.ts';
import { Authenticator } from './authenticator.ts';
import type { Credentials, LookUpCredentials, RegistryClock, RepositoryName } from './types.ts';

/** A mirror that serves several registries. https://github.com/containerd/containerd/blob/v2.1.4/docs/hosts.md */
export interface MirrorApi {
  /** The path in front of `/v2/`: empty, or with a leading slash. */
  readonly prefix: string;
  /** The registry whose content is asked for. */
  readonly namespace: string;
}

export interface ConnectionOptions {
  readonly reference: RepositoryName;
  readonly http: HttpClient;
  readonly credentials: Credentials | LookUpCredentials | undefined;
  /** The hint of a refusal if there are no credentials: where they were looked for. */
  readonly missingCredentialsHint?: string | undefined;
  /** Plain http is tried when https does not work. */
  readonly allowHttp: boolean;
  /** Another endpoint is asked if this one fails, so a server that does not answer is not tried again. */
  readonly hasAlternative?: boolean;
  readonly mirrorApi?: MirrorApi | undefined;
  readonly limits: { readonly maxTokenBytes: number };
  readonly clock: RegistryClock;
}

/** A registry that answered, and how to authenticate there. */
export interface Connection {
  readonly origin: string;
  readonly authenticator: Authenticator;
  /** A registry answers the ping with 200 or 401; another status may come from another kind of server. */
  readonly pingStatus: number;
  /** The registry keeps simple signatures itself, and says so in its answer to the ping. */
  readonly keepsSignatures: boolean;
  /** Removed from the registry's own words before these are shown. */
  readonly credentials: Credentials | undefined;
}

/** https://github.com/containers/image/blob/v5.36.2/docs/signature-protocols.md#openshift-dockerdistribution-api-extension */
const KEEPS_SIGNATURES = 'x-registry-supports-signatures';

/** Docker Hub serves its API under another name than the one in references. */
export function registryHost(domain: string): string {
  return domain === 'docker.io' ? 'registry-1.docker.io' : domain;
}

/** Returns the URL of `path`, which lies below `/v2/`. */
export function apiUrl(origin: string, path: string, mirrorApi: MirrorApi | undefined): string {
  if (mirrorApi === undefined) return `${origin}/v2/${path}`;
  return `${origin}${mirrorApi.prefix}/v2/${path}?ns=${encodeURIComponent(mirrorApi.namespace)}`;
}

function pingRequest(scheme: 'https' | 'http', options: ConnectionOptions): HttpRequest {
  const { reference, mirrorApi, allowHttp, hasAlternative = false } = options;
  const url = apiUrl(`${scheme}://${registryHost(reference.domain)}`, '', mirrorApi);
  const headers = { accept: 'application/json' };
  return { url, method: 'GET', headers, allowHttp, isProbe: true, ...(hasAlternative ? { tries: 1 } : {}) };
}

type Pinged = { readonly url: string; readonly response: DocumentResponse };

async function ping(request: HttpRequest, options: ConnectionOptions, signal: AbortSignal): Promise<Pinged> {
  const { maxTokenBytes } = options.limits;
  const response = await options.http.fetchDocument({ ...request, bound: 'maxTokenBytes' }, maxTokenBytes, signal);
  return { url: request.url, response };
}

/** True if no registry answered: it was not reached, or a proxy refused the tunnel to its port. */
function isUnanswered(error: unknown): error is SealiftError {
  return error instanceof SealiftError && (error.code === 'HTTP_UNAVAILABLE' || error.code === 'HTTP_PROXY_REFUSED');
}

/** Pings over https and, where it is allowed, over http when https brings no answer at all. Once for each source. */
async function pingEither(options: ConnectionOptions, signal: AbortSignal): Promise<Pinged> {
  const secure = pingRequest('https', options);
  if (!options.allowHttp) return ping(secure, options, signal);
  try {
    return await ping({ ...secure, tries: 1 }, options, signal);
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    return pingPlain(options, error, signal);
  }
}

async function pingPlain(options: ConnectionOptions, secureError: SealiftError, signal: AbortSignal): Promise<Pinged> {
  try {
    return await ping(pingRequest('http', options), options, signal);
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    const cause = new AggregateError([secureError, error], 'neither https nor http worked');
    throw new SealiftError(error.code, `${error.message}; https failed before it`, {
      context: error.context,
      cause,
    });
  }
}

/** Called after the registry has answered, so that no helper runs for one that does not. */
async function lookUp(
  credentials: Credentials | LookUpCredentials | undefined,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  return typeof credentials === 'function' ? raceCancellation(credentials(), signal) : credentials;
}

/**
 * Finds out whether the registry speaks https, and takes the challenge of the ping if there is one. The status of the
 * ping decides nothing: some registries do not serve `/v2/`, or not to every user, and serve their images all the same.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support
 */
export async function openConnection(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const { reference, http, clock } = options;
  const { url, response } = await pingEither(options, signal);
  const { status, headers } = response;
  const registry = new URL(url);
  const { maxTokenBytes } = options.limits;
  const credentials = await lookUp(options.credentials, signal);
  const authenticator = new Authenticator({ registry, path: reference.path, credentials, http, maxTokenBytes, clock });
  if (status >= 400) authenticator.prepare({ headers: headers['www-authenticate'] ?? [] });
  return {
    origin: registry.origin,
    authenticator,
    credentials,
    pingStatus: status,
    // A mirror of several registries has no such lists of its own.
    keepsSignatures: options.mirrorApi === undefined && headers[KEEPS_SIGNATURES]?.[0] === '1',
  };
}
