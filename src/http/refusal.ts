import { SealiftError } from '../errors/index.ts';
import { sameOrigin } from './origin.ts';
import { type FailedAttempt, formatWait, parseRetryAfter } from './retry.ts';
import { formatServerWords, hintForMissing, secretsOfRequest } from './server-words.ts';
import type { HttpRequest, ResponseHead, TransportClock } from './types.ts';

/** A response that is not what was asked for. */
export interface Refusal {
  /** The request as it was made first, before all redirects. */
  readonly request: HttpRequest;
  /** The address that answered, after all redirects. */
  readonly url: string;
  readonly head: ResponseHead;
  /** The start of the body. */
  readonly excerpt: Uint8Array;
  /** Secrets of earlier requests, which the server may quote. */
  readonly formerSecrets?: readonly string[];
  /** True if the whole was asked for after the server had not served the rest of a blob; then the blob may be right. */
  readonly isRepeated?: boolean;
}

/** Returns the host that a redirect led to; undefined if the request stayed on its origin. */
export function redirectedTo(request: HttpRequest, url: string): string | undefined {
  return sameOrigin(request.url, url) ? undefined : new URL(url).host;
}

/** Names a request for a message, and the host that answered it if a redirect led there. */
export function subjectOf(request: HttpRequest, url: string): string {
  const host = redirectedTo(request, url);
  return `${request.method} ${request.url}${host === undefined ? '' : `: redirected to ${host}`}`;
}

/** The hint for a refusal by a host that a redirect led to, where the credentials of the registry do not help. */
export function hintAfterRedirect(host: string): string {
  return `the registry sends its clients to ${host}, which refused the request: check the storage behind the registry`;
}

function describe({ request, url, head, excerpt, formerSecrets = [] }: Refusal): string {
  const secrets = [...formerSecrets, ...secretsOfRequest(request)];
  const words = formatServerWords({ headers: head.headers, excerpt }, secrets);
  return `${subjectOf(request, url)}: status ${head.status}${words}`;
}

function hintForStatus(status: number, retryAfterMs: number | undefined): string {
  const later = retryAfterMs === undefined ? 'later' : `in ${formatWait(retryAfterMs)}`;
  if (status === 429) {
    return `the registry limits the number of requests: give credentials for it, use a mirror, or pull again ${later}`;
  }
  return `the server failed: pull again ${later}, or use a mirror`;
}

/** Returns the failure of an attempt that was answered with a status that permits another try. */
export function retryableStatus(refusal: Refusal, clock: TransportClock): FailedAttempt {
  const { status, headers } = refusal.head;
  const retryAfterMs = parseRetryAfter(headers['retry-after']?.[0], clock.wallNow());
  const hint = hintForStatus(status, retryAfterMs);
  const error = new SealiftError('HTTP_UNAVAILABLE', describe(refusal), { hint, context: { status } });
  return { kind: 'failed', error, lasting: false, retryAfterMs, progressBytes: 0 };
}

/** Throws the error for a status that is neither the blob nor worth another try. */
export function refuseStatus(refusal: Refusal): never {
  const { request, url, head, excerpt } = refusal;
  const { status } = head;
  const message = describe(refusal);
  const context = { status };
  if (status === 401 || status === 403) {
    const host = redirectedTo(request, url);
    const hint = host === undefined ? {} : { hint: hintAfterRedirect(host) };
    throw new SealiftError('REGISTRY_AUTH_REJECTED', message, { ...hint, context });
  }
  if (status === 404) {
    const isRedirected = redirectedTo(request, url) !== undefined;
    const hint = isRedirected ? {} : hintForMissing({ headers: head.headers, excerpt });
    throw new SealiftError('REGISTRY_BLOB_UNKNOWN', message, { ...hint, context });
  }
  if ((status === 416 || status === 206) && refusal.isRepeated !== true) {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${message} does not fit the request`, { context });
  }
  throw new SealiftError('HTTP_STATUS_UNEXPECTED', message, { context });
}
