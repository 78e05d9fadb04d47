import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';

/** `google.rpc.Status`: code 0 is success. `details` are `google.protobuf.Any` messages, as they came. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Uint8Array[];
}

export interface Metadata {
  readonly key: string;
  readonly value: string;
}

/** The payload counts only where the status is 0. */
export interface Reply {
  readonly status: RpcStatus;
  readonly payload: Uint8Array;
}

/** A call as a method gets it. All of it was written by the client. */
export interface MethodCall {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata: readonly Metadata[];
  /** What the client is willing to wait, from the moment it sent the call; undefined: for ever. */
  readonly timeoutNanos: bigint | undefined;
  /**
   * Aborts with a SealiftError when nobody waits any longer: `TTRPC_DEADLINE_EXCEEDED`, or `TTRPC_CLOSED` for a client
   * that hung up and for a server that stops.
   */
  readonly signal: AbortSignal;
}

/** Answers a call. What it throws is answered with the status of its kind. */
export type Method = (call: MethodCall) => Promise<Reply>;

/** Methods by name, by the full name of their service. */
export type Services = ReadonlyMap<string, ReadonlyMap<string, Method>>;

export type TtrpcLimits = Pick<
  Limits,
  | 'maxTtrpcMessageBytes'
  | 'maxTtrpcConnections'
  | 'maxTtrpcRequests'
  | 'maxTtrpcConnectionRequests'
  | 'maxTtrpcBufferedBytes'
  | 'ttrpcFrameTimeoutMs'
>;

export interface ServerOptions {
  /** Absolute. */
  readonly path: string;
  readonly services: Services;
  readonly limits: TtrpcLimits;
  /** Told of calls and connections that were refused before a method saw them, and of methods that broke. */
  readonly onFault: (fault: SealiftError) => void;
}

export interface TtrpcServer {
  readonly path: string;
  /**
   * Takes the socket away and accepts nothing more, lets the methods at work end within `graceMs`, aborts the rest and
   * closes all connections. Never rejects, and never takes much longer than `graceMs`.
   */
  stop(graceMs: number): Promise<void>;
}

export interface CallOptions {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata?: readonly Metadata[];
  /** Sent along, and obeyed here as well. */
  readonly timeoutNanos?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TtrpcClient {
  /**
   * Any number at a time. Resolves with whatever the server answered, errors included. Throws
   * `TTRPC_DEADLINE_EXCEEDED`, `TTRPC_CLOSED`, `TTRPC_MESSAGE_TOO_LARGE`, `TTRPC_FRAME_INVALID`, `TTRPC_MESSAGE_INVALID`
   * or what the signal was aborted with, where that is a SealiftError.
   */
  call(options: CallOptions): Promise<Reply>;
  /** Ends what is in flight with `TTRPC_CLOSED`. Idempotent. */
  close(): void;
}
