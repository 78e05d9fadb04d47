import type { Limits } from '../limits/index.ts';
import type { Logger } from '../log/index.ts';
import type { Metadata, Reply, TtrpcLimits } from '../ttrpc/index.ts';

/** The services that a socket may offer, by their names on the wire. */
export type ServiceName =
  | 'api.ImagePullService'
  | 'api.SecureMountService'
  | 'api.GetResourceService'
  | 'api.SealedSecretService'
  | 'keyprovider.KeyProviderService';

export type ApiLimits = TtrpcLimits & Pick<Limits, 'maxApiTextBytes' | 'maxApiItems'>;

/** What the kata agent asks to be pulled. The texts are its own words. */
export interface PullImageCall {
  readonly imageUrl: string;
  readonly bundlePath: string;
  /** Unique in this process; the lines of one call carry it. */
  readonly requestId: string;
  readonly signal: AbortSignal;
}

export interface SecureMountCall {
  readonly volumeType: string;
  readonly options: ReadonlyMap<string, string>;
  readonly flags: readonly string[];
  readonly mountPoint: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** A call for somebody else, unread. */
export interface PassedCall {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata: readonly Metadata[];
  readonly timeoutNanos: bigint | undefined;
  readonly signal: AbortSignal;
}

/** Who does the work. Each throws a SealiftError, and ends soon after its signal aborts. */
export interface ApiPorts {
  /** Answers the digest of the manifest. */
  pullImage(call: PullImageCall): Promise<{ readonly manifestDigest: string }>;
  /** Answers where the volume is mounted. */
  secureMount(call: SecureMountCall): Promise<{ readonly mountPath: string }>;
  /** Resources, sealed secrets and wrapped keys; undefined: nobody answers these here. */
  readonly passThrough: ((call: PassedCall) => Promise<Reply>) | undefined;
}

export interface ApiSocket {
  /** Absolute. */
  readonly path: string;
  readonly services: readonly ServiceName[];
}

export interface ApiServerOptions {
  readonly sockets: readonly ApiSocket[];
  readonly ports: ApiPorts;
  readonly limits: ApiLimits;
  readonly log: Logger;
}

export interface ApiServer {
  /** As `TtrpcServer.stop`, for all sockets at once. */
  stop(graceMs: number): Promise<void>;
}

/** Something that happened in the guest, for the log of the attestation agent. */
export interface Measurement {
  readonly socketPath: string;
  readonly domain: string;
  readonly operation: string;
  readonly content: string;
  /** Absent: the attestation agent chooses the register. */
  readonly registerIndex?: bigint | undefined;
  readonly signal: AbortSignal;
}

/** `notSupported`: the platform has no registers; `notEnabled`: the log is off; `absent`: there is no such agent. */
export type MeasurementResult = 'extended' | 'notSupported' | 'notEnabled' | 'absent';

export interface PullRequestOptions {
  readonly socketPath: string;
  readonly imageUrl: string;
  /** Absolute, and made already. */
  readonly bundlePath: string;
  /** Whole milliseconds; undefined waits for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
