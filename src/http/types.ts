import type { Limits, RefusingLimit } from '../limits/index.ts';

/** How connections are made, as plain data so that it can travel to a worker. */
export interface TransportSettings {
  readonly tlsVerify: boolean;
  /** PEM certificates on top of the system's roots. */
  readonly extraRoots: readonly string[];
  /** False: the extra roots are the only ones. */
  readonly systemRoots?: boolean;
  readonly userAgent: string;
  readonly proxy?: ProxySettings;
  /** What holds for single hosts besides; redirects and token services elsewhere get nothing of it. */
  readonly hosts?: readonly HostSettings[];
}

/** TLS with one server. */
export interface HostSettings {
  /** `HOST` or `HOST:PORT` as in an https URL. */
  readonly host: string;
  /** False: whatever certificate it shows will do. */
  readonly tlsVerify?: boolean;
  /** PEM certificates on top of those of all hosts. */
  readonly extraRoots?: readonly string[];
  /** Shown to this host when it asks, and to no other. */
  readonly clientCertificates?: readonly ClientCertificate[];
}

/** Both in PEM; the key is a secret. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Each as `http_proxy`, `https_proxy` and `no_proxy` are written in the environment; empty means absent. */
export interface ProxySettings {
  /** For https, which goes through it in a tunnel. */
  readonly https?: string | undefined;
  /** For plain http, which it reads. */
  readonly http?: string | undefined;
  readonly noProxy?: string | undefined;
}

export interface HttpRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Lower-case names. `authorization` is sent to the origin of `url` only, and never again after leaving it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Plain http may be used for `url` and redirects from http. */
  readonly allowHttp: boolean;
  /** Fewer tries than `maxTries`: a probe that has an alternative does not wait for a server that is not there. */
  readonly tries?: number;
  /** The limit that bounds the document asked for, so that its error can name it. */
  readonly bound?: RefusingLimit;
}

/** Lower-case names; a header that came several times has several values. */
export type ResponseHeaders = Readonly<Record<string, readonly string[]>>;

/** Status and headers of an answer, before its body. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export interface DocumentResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Uint8Array;
  /** The origin asked was left on the way; a 401 must then not be answered with credentials. */
  readonly redirected: boolean;
}

/**
 * Small documents, whole: manifests, configs, tokens. Retries and follows redirects; returns any other status, with
 * the body cut short where it is not a success. Throws `HTTP_*`, and `PULL_CANCELLED` or the signal's own SealiftError.
 */
export interface HttpClient {
  fetchDocument(request: HttpRequest, maxBytes: number, signal?: AbortSignal): Promise<DocumentResponse>;
}

/** A server asked for credentials: the values of its WWW-Authenticate headers. */
export interface AuthChallenge {
  readonly headers: readonly string[];
  /** The Authorization that was refused, if one was sent, so that several workers renew one token once. */
  readonly refusedAuthorization?: string;
}

export interface BlobStream {
  readonly request: HttpRequest;
  /** Exactly this many bytes are written, in order, or the stream throws. */
  readonly size: number;
  /**
   * Called synchronously for each chunk; may block the thread, or hold the connection back with a promise. What it throws
   * or rejects with ends the stream unchanged.
   */
  readonly write: (chunk: Uint8Array) => void | Promise<void>;
  /** The request to go on with after a 401 of the origin of `request`. */
  readonly onUnauthorized: (challenge: AuthChallenge) => Promise<HttpRequest>;
  /** False while other blobs come first: this one then gets no additional connections. True when absent. */
  readonly mayAddConnections?: () => boolean;
  /** Milliseconds that `write` has been blocked so far; they do not count as a stall of the server. */
  readonly blockedMs: () => number;
  readonly signal: AbortSignal;
}

export interface Transport extends HttpClient {
  /** Throws `HTTP_*`, `REGISTRY_AUTH_REJECTED`, `REGISTRY_BLOB_UNKNOWN`, `BLOB_SIZE_MISMATCH`, or what `write` threw. */
  streamBlob(stream: BlobStream): Promise<void>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Time and chance, so that retries can be tested without waiting. */
export interface TransportClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970, for an HTTP date in Retry-After. */
  wallNow(): number;
  random(): number;
  /** Rejects when `signal` aborts. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export type TransportLimits = Pick<
  Limits,
  | 'maxRedirects'
  | 'maxTries'
  | 'maxTotalTries'
  | 'minRetryProgressBytes'
  | 'retryDelayMs'
  | 'maxRetryDelayMs'
  | 'connectTimeoutMs'
  | 'headersTimeoutMs'
  | 'stallTimeoutMs'
  | 'documentTimeoutMs'
  | 'maxErrorBodyBytes'
  | 'maxProxyHeadBytes'
  | 'maxRangeConnections'
  | 'minRangedBytes'
  | 'rangeBytes'
  | 'maxRangedInFlightBytes'
  | 'rangeWindowMs'
>;
