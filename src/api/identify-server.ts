import { SealiftError } from '../errors/index.ts';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { callOnce } from '../ttrpc/index.ts';

/** Who serves a socket. `nobody`: it was left behind; `silent`: somebody who does not answer. */
export type ServerIdentity = 'sealift' | 'other' | 'nobody' | 'silent';

const NANOS_PER_MS = 1_000_000n;
/** Of no service: it changes nothing, whoever is asked. */
const CALL = { service: 'sealift.Doctor', method: 'Identify', payload: new Uint8Array(0) };

/** Asks for something that no server has, and tells by the words of the refusal. */
export async function identifyServer(socketPath: string, timeoutMs: number): Promise<ServerIdentity> {
  try {
    const call = { ...CALL, timeoutNanos: BigInt(timeoutMs) * NANOS_PER_MS };
    const { status } = await callOnce(socketPath, call, DEFAULT_LIMITS);
    return status.message.includes('[TTRPC_METHOD_UNKNOWN]') ? 'sealift' : 'other';
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    if (error.code === 'TTRPC_DEADLINE_EXCEEDED') return 'silent';
    const { errno } = error.context;
    // A server whose queue is full says EAGAIN, one that is no stream says EPROTOTYPE: somebody is there.
    return errno === 'ECONNREFUSED' || errno === 'ENOENT' ? 'nobody' : 'other';
  }
}
