import { type ErrorKind, SealiftError } from '../errors/index.ts';
import type { Reply, RpcStatus } from './types.ts';

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: STATUS.INVALID_ARGUMENT,
  denied: STATUS.PERMISSION_DENIED,
  unauthorized: STATUS.UNAUTHENTICATED,
  corrupt: STATUS.DATA_LOSS,
  unsupported: STATUS.UNIMPLEMENTED,
  missing: STATUS.NOT_FOUND,
  unavailable: STATUS.UNAVAILABLE,
  exhausted: STATUS.RESOURCE_EXHAUSTED,
  internal: STATUS.INTERNAL,
};

export const OK: RpcStatus = Object.freeze({ code: STATUS.OK, message: '', details: [] });

const NOTHING = new Uint8Array(0);

export function succeed(payload: Uint8Array): Reply {
  return { status: OK, payload };
}

export function fail(code: number, message: string): Reply {
  return { status: { code, message, details: [] }, payload: NOTHING };
}

/** Answers with the status of the error's kind; an exceeded deadline has a status of its own. */
export function failWith({ code, kind, message }: SealiftError): Reply {
  const status = code === 'TTRPC_DEADLINE_EXCEEDED' ? STATUS.DEADLINE_EXCEEDED : STATUS_OF_KIND[kind];
  return fail(status, `${message} [${code}]`);
}

/** Returns the payload of a response. Throws `TTRPC_CALL_FAILED` with the server's words for any status but 0. */
export function payloadOf({ status, payload }: Reply, action: string): Uint8Array {
  if (status.code === STATUS.OK) return payload;
  const message = `${action}: expected status 0, got ${status.code}: ${status.message}`;
  throw new SealiftError('TTRPC_CALL_FAILED', message, { context: { status: status.code } });
}
