import type { ErrorCode } from '../errors/index.ts';

/** Describes one document for the messages of a failure, and limits its size. */
export interface ResourceRequest {
  /** Names the document in messages: `policy`, `credentials`, `registries`. */
  readonly what: string;
  /** A larger document is refused with `code`. */
  readonly maxBytes: number;
  readonly code: ErrorCode;
  /** The limit that `maxBytes` is, for the error context; `maxConfigurationBytes` when absent. */
  readonly limit?: string;
  /** True: a pipe, a terminal, a socket or a device is refused with `code`. */
  readonly regularOnly?: boolean;
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

/** The options that all loads of one pull share. */
export interface LoadOptions {
  readonly resources: ResourceLoader;
  /** The limit of each document. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}
