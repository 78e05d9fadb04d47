import type { Limits, RefusingLimit } from '../limits/index.ts';

/** How connections are made. Plain data, which can be sent to a worker. */
export interface TransportSettings {
  readonly tlsVerify: boolean;
  /** PEM certificates in addition to the roots of the system. */
  readonly extraRoots: readonly string[];
  /** False if only the extra roots are trusted. */
  readonly systemRoots?: boolean;
  readonly userAgent: string;
  readonly proxy?: ProxySettings;
  /** Settings of single hosts. They do not apply to redirects and token services on other hosts. */
  readonly hosts?: readonly HostSettings[];
}

/** TLS settings for one server. */
export interface HostSettings {
  /** `HOST` or `HOST:PORT`, as in an https URL. */
  readonly host: string;
  /** False if any certificate of the server is accepted. */
  readonly tlsVerify?: boolean;
  /** PEM certificates in addition to those for all hosts. */
  readonly extraRoots?: readonly string[];
  /** Sent to this host when it asks for one, and to no other host. */
  readonly clientCertificates?: readonly ClientCertificate[];
}

/** Certificate and key, both in PEM. The key is a secret. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Values with the syntax of the variables `https_proxy`, `http_proxy` and `no_proxy`. Empty means absent. */
export interface ProxySettings {
  /** The proxy for https, which goes through a tunnel. */
  readonly https?: string | undefined;
  /** The proxy for plain http, which the proxy reads. */
  readonly http?: string | undefined;
  readonly noProxy?: string | undefined;
}

export interface HttpRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Names are in lower case. `authorization` is sent only to the origin of `url`, and never again after leaving it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** True if plain http is allowed for `url` and for redirects from http. */
  readonly allowHttp: boolean;
  /**
   * A number of tries below `maxTries`, for a probe that has an alternative and should not wait for a missing server.
   */
  readonly tries?: number;
  /**
   * True for a request to which any status is an answer: 408, 429 and 5xx are not tried again, redirects are not followed,
   * and of the body only the start is read.
   */
  readonly isProbe?: boolean;
  /** Milliseconds until the deadline of the call that needs the response; absent if there is none. */
  readonly leftMs?: number;
  /** The limit that bounds the document, for the error context. */
  readonly bound?: RefusingLimit;
}

/** Names are in lower case. A header that was sent several times has several values. */
export type ResponseHeaders = Readonly<Record<string, readonly string[]>>;

/** Status and headers of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export interface DocumentResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** As it was sent, whatever its Content-Encoding says. */
  readonly body: Uint8Array;
  /** The decoded body if it was sent with gzip, although requests ask for no encoding. */
  readonly decodedBody?: Uint8Array;
  /** True if a redirect left the origin of the request. A 401 must then not be answered with credentials. */
  readonly redirected: boolean;
  /** The host that answered, if redirects led to another origin. */
  readonly redirectedTo?: string;
}

/**
 * Fetches small documents as a whole: manifests, configs, tokens. Retries and follows redirects. Returns a response
 * with any other status; the body of an unsuccessful one may be cut off. Throws `HTTP_*`, and `PULL_CANCELLED` or the
 * SealiftError that is the reason of the signal.
 */
export interface HttpClient {
  fetchDocument(request: HttpRequest, maxBytes: number, signal?: AbortSignal): Promise<DocumentResponse>;
}

/** A request of a server for credentials, or a refusal of a token that may be dead. */
export interface AuthChallenge {
  /** 401 when absent. Some registries answer a dead token with 400. */
  readonly status?: number;
  /** Values of the WWW-Authenticate headers. */
  readonly headers: readonly string[];
  /** The Authorization that was refused, if one was sent. With it, several workers renew a token only once. */
  readonly refusedAuthorization?: string;
  /** What the server said with the refusal, in the form for the end of a message; cut, printable and without secrets. */
  readonly words?: string;
}

/** One blob of a server. */
export interface RemoteBlob {
  readonly request: HttpRequest;
  /** Size of the whole blob in bytes. */
  readonly size: number;
  /**
   * Returns the request to continue with after a 401, or a 400 to a token, from the origin of `request`. After a 400 it is
   * the same request if there is no other token.
   */
  readonly onUnauthorized: (challenge: AuthChallenge) => Promise<HttpRequest>;
}

/** How the bytes of a blob are delivered. */
export interface BlobDelivery {
  /**
   * Called synchronously for each chunk. It may block the thread, or return a promise that pauses the connection. An
   * error of it ends the stream and is passed on unchanged.
   */
  readonly write: (chunk: Uint8Array) => void | Promise<void>;
  /** False while other blobs come first: this one then gets no additional connections. True when absent. */
  readonly mayAddConnections?: () => boolean;
  /** Milliseconds that `write` has blocked so far. They do not count as a stall of the server. */
  readonly blockedMs: () => number;
  readonly signal: AbortSignal;
}

export interface BlobStream extends RemoteBlob, BlobDelivery {}

/** A part of a blob, by the positions of its first and its last byte. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Where the bytes of one blob come from. Each call is independent of the others. */
export interface BlobSource {
  /** Delivers the whole blob in order. A source may deliver too few bytes: the size is the caller's to check. */
  open(delivery: BlobDelivery): Promise<void>;
  /** Delivers exactly the bytes of this range, in order, or throws. A range must be inside the blob. */
  range(range: ByteRange, delivery: BlobDelivery): Promise<void>;
}

export interface Transport extends HttpClient {
  /**
   * The source of a blob on a server. `open` delivers exactly `size` bytes. Both throw `HTTP_*`,
   * `REGISTRY_AUTH_REJECTED`, `REGISTRY_BLOB_UNKNOWN`, `BLOB_SIZE_MISMATCH`, or what `write` threw; `range` also throws
   * `HTTP_STATUS_UNEXPECTED` if the server does not serve ranges.
   */
  blobSource(blob: RemoteBlob): BlobSource;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Time and random numbers, replaceable so that tests need not wait. */
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
  | 'maxRetryAfterMs'
  | 'connectTimeoutMs'
  | 'headersTimeoutMs'
  | 'stallTimeoutMs'
  | 'documentTimeoutMs'
  | 'minThroughputBytes'
  | 'throughputWindowMs'
  | 'maxErrorBodyBytes'
  | 'maxProxyHeadBytes'
  | 'maxRangeConnections'
  | 'minRangedBytes'
  | 'rangeBytes'
  | 'maxRangedInFlightBytes'
  | 'rangeWindowMs'
>;
