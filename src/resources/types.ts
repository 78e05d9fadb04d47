import type { ErrorCode } from '../errors/index.ts';

/** What one document is, for the messages of a failure, and how much of it is taken. */
export interface ResourceRequest {
  /** Names the document in messages: `policy`, `credentials`, `registries`. */
  readonly what: string;
  /** A larger document is refused with `code`. */
  readonly maxBytes: number;
  readonly code: ErrorCode;
  /** Ends the wait with `PULL_CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
}

/** Loads the documents that configuration names: policies, credentials, registries, certificates. */
export interface ResourceLoader {
  /**
   * Returns the whole document. Throws the code of the request, and `CONFIG_UNSUPPORTED` for a URI whose scheme cannot
   * be fetched.
   */
  load(uri: string, request: ResourceRequest): Promise<Uint8Array>;
}

/** What all loads of one pull have in common. */
export interface LoadOptions {
  readonly resources: ResourceLoader;
  /** The bound of each document. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}
