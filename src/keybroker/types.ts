import type { HttpClient, TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import type { BrokerCall, BrokerResource } from '../resources/index.ts';

export type BrokerLimits = Pick<
  Limits,
  | 'maxResourceBytes'
  | 'maxOfflineResourcesBytes'
  | 'maxTokenBytes'
  | 'keyBrokerTimeoutMs'
  | 'keyBrokerTtlMs'
  | 'maxTtrpcMessageBytes'
  | 'maxTtrpcBufferedBytes'
>;

/** A call that ends with its signal; it has no other deadline. */
export interface SourceCall extends Pick<BrokerCall, 'waitForName'> {
  readonly signal: AbortSignal;
}

/** One source of resources, without a memory of what it has fetched. Each call throws `KEYBROKER_*`. */
export interface BrokerSource {
  fetchResource(resource: BrokerResource, call: SourceCall): Promise<Uint8Array>;
  /** Undefined: sealed secrets cannot be opened by this source. */
  readonly unsealSecret?: (secret: string, call: SourceCall) => Promise<Uint8Array>;
  /** False: asking again costs nothing, so that a change counts at once. */
  readonly isRemote: boolean;
}

/** What reaches the outside. */
export interface BrokerPorts {
  readonly pool: { httpClient(transport: TransportSettings): HttpClient };
  readonly userAgent: string;
  readonly limits: BrokerLimits;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}
