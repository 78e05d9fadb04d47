import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Logger } from '../log/index.ts';
import type { Metadata, Reply, TtrpcLimits, TtrpcListener } from '../ttrpc/index.ts';

/** The services that a socket may offer, by their names on the wire. */
export type ServiceName =
  | 'api.ImagePullService'
  | 'api.SecureMountService'
  | 'api.GetResourceService'
  | 'api.SealedSecretService'
  | 'keyprovider.KeyProviderService';

export type ApiLimits = TtrpcLimits & Pick<Limits, 'maxApiTextBytes' | 'maxApiItems'>;

/** A pull that the kata agent asks for. The texts are unchecked. */
export interface PullImageCall {
  readonly imageUrl: string;
  readonly bundlePath: string;
  /** Unique in this process; every log line of the call has it. */
  readonly requestId: string;
  /** Milliseconds that the caller waits; absent if it does not say. */
  readonly timeoutMs?: number | undefined;
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

export type MountAnswer = { readonly mountPath: string } | { readonly notOurs: SealiftError };

/** A call that is passed on to confidential-data-hub undecoded. */
export interface PassedCall {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata: readonly Metadata[];
  readonly timeoutNanos: bigint | undefined;
  readonly signal: AbortSignal;
}

/** What the services call. Each port throws a SealiftError, and ends soon after its signal aborts. */
export interface ApiPorts {
  /** Returns the digest of the manifest. */
  pullImage(call: PullImageCall): Promise<{ readonly manifestDigest: string }>;
  /**
   * Returns the path where the volume is mounted, or why it is not ours to mount; confidential-data-hub is asked then,
   * if there is one.
   */
  secureMount(call: SecureMountCall): Promise<MountAnswer>;
  /**
   * Answers calls for resources, sealed secrets and wrapped keys, and for mounts that are not ours; undefined when no
   * confidential-data-hub is configured.
   */
  readonly passThrough: ((call: PassedCall) => Promise<Reply>) | undefined;
}

/** A socket and what is served on it. */
export interface ServedSocket {
  /** An absolute path. */
  readonly path: string;
  readonly services: readonly ServiceName[];
}

/** A socket that exists before its server, whose connections wait. */
export type ApiListener = TtrpcListener;

export interface ApiServerOptions {
  readonly sockets: readonly ServedSocket[];
  /** Listen already. The server takes those of its sockets, and closes the others. */
  readonly listeners?: readonly ApiListener[] | undefined;
  readonly ports: ApiPorts;
  readonly limits: ApiLimits;
  readonly log: Logger;
}

export interface ApiServer {
  /** Stops all sockets at once, each as `TtrpcServer.stop` does. */
  stop(graceMs: number): Promise<void>;
}

/** An event in the guest, for the log of the attestation agent. */
export interface Measurement {
  readonly socketPath: string;
  readonly domain: string;
  readonly operation: string;
  readonly content: string;
  /** The measurement register; the attestation agent chooses one when undefined. */
  readonly registerIndex?: bigint | undefined;
  readonly signal: AbortSignal;
}

/**
 * `notSupported`: the platform has no registers; `notEnabled`: the log is off; `absent`: no agent runs in this guest.
 */
export type MeasurementResult = 'extended' | 'notSupported' | 'notEnabled' | 'absent';

/** A pull that this process asks of another server. */
export interface RequestedPull {
  readonly socketPath: string;
  readonly imageUrl: string;
  /** An absolute path of a directory that exists. */
  readonly bundlePath: string;
  /** In whole milliseconds; undefined waits for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
