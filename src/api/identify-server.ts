import { SealiftError } from '../errors/index.ts';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { callOnce } from '../ttrpc/index.ts';

/**
 * Which program serves a socket. `none`: no program, the file was left behind; `silent`: a program that does not
 * answer.
 */
export type ServerIdentity = 'sealift' | 'other' | 'none' | 'silent';

const NANOS_PER_MS = 1_000_000n;
/** A call of a service that no program has, so that it changes nothing. */
const CALL = { service: 'sealift.Doctor', method: 'Identify', payload: new Uint8Array(0) };

/** Calls a method that no server has, and recognises the server by the message of its refusal. */
export async function identifyServer(socketPath: string, timeoutMs: number): Promise<ServerIdentity> {
  try {
    const call = { ...CALL, timeoutNanos: BigInt(timeoutMs) * NANOS_PER_MS };
    const { status } = await callOnce(socketPath, call, DEFAULT_LIMITS);
    return status.message.includes('[TTRPC_METHOD_UNKNOWN]') ? 'sealift' : 'other';
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    if (error.code === 'TTRPC_DEADLINE_EXCEEDED') return 'silent';
    const { errno } = error.context;
    // A server whose queue is full causes EAGAIN, a socket of another type EPROTOTYPE: both mean that a program
    // listens.
    return errno === 'ECONNREFUSED' || errno === 'ENOENT' ? 'none' : 'other';
  }
}
