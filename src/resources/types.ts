import type { ErrorCode } from '../errors/index.ts';

/** Resolves when the name can be looked up, or when waiting longer is of no use. */
export type WaitForName = (name: string, signal?: AbortSignal) => Promise<void>;

/**
 * Where a document came from: a file of this machine, the configuration itself, or one of the sources of the key broker
 * (a confidential-data-hub, the key broker itself, files of the guest). `none`: nothing was asked.
 */
export type ResourceSource = 'file' | 'inline' | 'hub' | 'kbs' | 'offline' | 'none';

/** How the load of one document ended. */
export interface ResourceLoad {
  readonly source: ResourceSource;
  readonly result: 'ok' | 'absent' | ErrorCode;
}

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
  /** Called before the name of a server is looked up. */
  readonly waitForName?: WaitForName | undefined;
  /** Called at most once, with the source that is asked. */
  readonly onSource?: (source: ResourceSource) => void;
  /** Ends the wait with `PULL_CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
}

/** Loads the documents that configuration names: policies, credentials, registries, certificates, keys. */
export interface ResourceLoader {
  /**
   * Returns the whole document. Throws the code of the request, `CONFIG_UNSUPPORTED` for a URI whose scheme cannot be
   * fetched, and the errors of `ResourceBroker` for one that the key broker has.
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

/** A document that the key broker has. */
export interface BrokerResource {
  /** The part of the key broker that is asked, in lower case; `resource` when the URI names none. */
  readonly plugin: string;
  /** Without a leading slash; no part of it can be read as another path. */
  readonly path: string;
  readonly query: string | undefined;
  /** The URI without its host, which does not count: equal for URIs of the same document. */
  readonly uri: string;
}

export type BrokerCall = Pick<ResourceRequest, 'waitForName' | 'onSource' | 'signal'>;

/**
 * Fetches what the key broker has. Both throw `KEYBROKER_*`, `CONFIG_UNSUPPORTED` or `CONFIG_CLASS_REFUSED` when there is
 * no key broker that may be asked, and `PULL_CANCELLED`.
 */
export interface ResourceBroker {
  fetchResource(resource: BrokerResource, call: BrokerCall): Promise<Uint8Array>;
  /** Returns what a sealed secret stands for. */
  unsealSecret(secret: string, call: BrokerCall): Promise<Uint8Array>;
}
