import { removeSecrets, SealiftError } from '../errors/index.ts';
import { callOnce, type Reply, STATUS } from '../ttrpc/index.ts';
import type { BrokerLimits } from './types.ts';

/** The program behind a unix socket, and one call of it. */
export interface ProgramCall {
  /** Names the program in messages: `confidential-data-hub`, `attestation agent`. */
  readonly program: string;
  readonly socketPath: string;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** What is asked for, for messages. */
  readonly subject: string;
  /** Texts of the request that no message may have. */
  readonly secrets?: readonly string[];
  readonly signal?: AbortSignal;
}

const MAX_WORDS = 300;
const NANOS_PER_MS = 1_000_000n;

const REFUSALS: ReadonlySet<number> = new Set([STATUS.PERMISSION_DENIED, STATUS.UNAUTHENTICATED]);

/**
 * Calls a program of the guest and returns the payload of its response. Throws `KEYBROKER_UNAVAILABLE` when it cannot be
 * reached or does not say what is wrong, and the code of its status otherwise.
 */
export async function callProgram(call: ProgramCall, limits: BrokerLimits): Promise<Uint8Array> {
  const { socketPath, service, method, payload, signal, program, subject } = call;
  const timeoutNanos = BigInt(limits.keyBrokerTimeoutMs) * NANOS_PER_MS;
  try {
    const reply = await callOnce(socketPath, { service, method, payload, timeoutNanos, signal }, limits);
    if (reply.status.code === STATUS.OK) return reply.payload;
    throw refusal(reply.status, call, limits);
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code.startsWith('KEYBROKER_') || signal?.aborted) throw error;
    throw unreachable(error, { program, subject, limits });
  }
}

interface Unreached {
  readonly program: string;
  readonly subject: string;
  readonly limits: BrokerLimits;
}

function unreachable(error: SealiftError, { program, subject, limits }: Unreached): SealiftError {
  const message = `${program}: ${subject}: ${error.message}`;
  if (error.code === 'TTRPC_MESSAGE_TOO_LARGE') {
    const context = { limit: 'maxResourceBytes', expected: limits.maxResourceBytes, actual: 'more' };
    return new SealiftError('KEYBROKER_ANSWER_INVALID', message, { context });
  }
  if (error.code === 'TTRPC_MESSAGE_INVALID' || error.code === 'TTRPC_FRAME_INVALID') {
    return new SealiftError('KEYBROKER_ANSWER_INVALID', message);
  }
  const context = error.code === 'TTRPC_DEADLINE_EXCEEDED' ? { limit: 'keyBrokerTimeoutMs' } : error.context;
  return new SealiftError('KEYBROKER_UNAVAILABLE', message, { context });
}

/** confidential-data-hub answers every failure with the same status, and does not say what has failed. */
function refusal({ code, message: words }: Reply['status'], call: ProgramCall, limits: BrokerLimits): SealiftError {
  const { program, subject, secrets = [] } = call;
  const message = `${program}: ${subject}: status ${code}: ${removeSecrets(words, secrets).slice(0, MAX_WORDS)}`;
  const { keyBrokerTimeoutMs: expected } = limits;
  const isLate = code === STATUS.DEADLINE_EXCEEDED;
  const context = { status: code, ...(isLate ? { limit: 'keyBrokerTimeoutMs', expected } : {}) };
  if (REFUSALS.has(code)) return new SealiftError('KEYBROKER_DENIED', message, { context });
  if (code === STATUS.NOT_FOUND) return new SealiftError('KEYBROKER_RESOURCE_UNKNOWN', message, { context });
  return new SealiftError('KEYBROKER_UNAVAILABLE', message, {
    context,
    hint: `the log of the ${program} has the reason; check that the resource exists and may be released to this guest`,
  });
}
