/** How connections are made, as plain data so that it can travel to a worker. */
export interface TransportSettings {
  readonly tlsVerify: boolean;
  /** PEM certificates on top of the system's roots. */
  readonly extraRoots: readonly string[];
  readonly userAgent: string;
}

export interface HttpRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Lower-case names. `authorization` is sent to the origin of `url` only, and never again after leaving it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Plain http may be used for `url` and redirects from http. */
  readonly allowHttp: boolean;
}

export interface DocumentResponse {
  readonly status: number;
  /** Lower-case names; a header that came several times has several values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: Uint8Array;
  /** Another origin than the one asked has answered; its 401 must not be answered with credentials. */
  readonly redirected: boolean;
}

/** Small documents, whole: manifests, configs, tokens. Retries and follows redirects; returns any other status. */
export interface HttpClient {
  fetchDocument(request: HttpRequest, maxBytes: number, signal?: AbortSignal): Promise<DocumentResponse>;
}

/** A server asked for credentials: the values of its WWW-Authenticate headers. */
export interface AuthChallenge {
  readonly headers: readonly string[];
}
