import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { TtrpcListener } from './open-listener.ts';

/** `google.rpc.Status`: code 0 is success. `details` are encoded `google.protobuf.Any` messages. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Uint8Array[];
}

export interface Metadata {
  readonly key: string;
  readonly value: string;
}

/** A response. The payload has a meaning only when the status is 0. */
export interface Reply {
  readonly status: RpcStatus;
  readonly payload: Uint8Array;
}

/** A call as its method receives it. All of it is attacker-controlled. */
export interface MethodCall {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata: readonly Metadata[];
  /** How long the client waits, counted from when it sent the call; undefined means for ever. */
  readonly timeoutNanos: bigint | undefined;
  /**
   * Aborts with a SealiftError when the response is no longer needed: `TTRPC_DEADLINE_EXCEEDED`, or `TTRPC_CLOSED`
   * when the client hung up or the server stops.
   */
  readonly signal: AbortSignal;
}

/** Answers a call. An error that it throws becomes a response with the status of its kind. */
export type Method = (call: MethodCall) => Promise<Reply>;

/** The methods of each service: full name of the service, then name of the method. */
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
  /** The absolute path of the socket. */
  readonly path: string;
  /** Listens at `path` already; by default the server opens one. */
  readonly listener?: TtrpcListener | undefined;
  readonly services: Services;
  readonly limits: TtrpcLimits;
  /** Called for each call or connection that was refused before a method saw it, and for each internal error. */
  readonly onFault: (fault: SealiftError) => void;
}

export interface TtrpcServer {
  readonly path: string;
  /**
   * Removes the socket, accepts nothing more, waits up to `graceMs` for calls in flight, aborts the rest and closes all
   * connections. Never rejects, and takes at most about one second longer than `graceMs`.
   */
  stop(graceMs: number): Promise<void>;
}

export interface ClientCall {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly metadata?: readonly Metadata[];
  /** The deadline, which is sent to the server and also enforced by the client. */
  readonly timeoutNanos?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TtrpcClient {
  /**
   * Makes a call; any number may be in flight. Resolves with the server's response, errors included. Throws
   * `TTRPC_DEADLINE_EXCEEDED`, `TTRPC_CLOSED`, `TTRPC_MESSAGE_TOO_LARGE`, `TTRPC_FRAME_INVALID`,
   * `TTRPC_MESSAGE_INVALID` or the signal's reason, if that is a SealiftError.
   */
  call(options: ClientCall): Promise<Reply>;
  /** Ends the calls in flight with `TTRPC_CLOSED`. Idempotent. */
  close(): void;
}
