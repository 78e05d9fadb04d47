import { cancellation, SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { CallOptions, OwnLane, Run } from '../operations/index.ts';
import { Slots } from '../slots/index.ts';
import type { SignatureOperations } from './checks/index.ts';
import type { RefusedSignature } from './signed-content/index.ts';
import type { SignatureVerifier } from './types.ts';

/** How many signatures are checked at a time in the whole program; each needs a thread with OpenPGP.js, about 20 MB. */
const MAX_CHECKS = 2;

export interface VerifierOptions {
  /** Runs the operations of this room in workers. */
  readonly run: Run<SignatureOperations>;
  readonly limits: Limits;
  /** The time that expiry is compared with, in milliseconds since 1970. */
  readonly nowMs: () => number;
}

// docs/adr/0025-signatures-in-workers.md
/**
 * Verifies signatures in worker threads, one signature for each call. A check that does not end in time, or whose thread
 * crashes, refuses that signature and no other one; its thread is ended.
 */
export function createSignatureVerifier({ run, limits, nowMs }: VerifierOptions): SignatureVerifier {
  const slots = new Slots(MAX_CHECKS);
  const freeLanes = Array.from({ length: MAX_CHECKS }, (): OwnLane => ({ owner: 'signatures', hasOwnDisk: true }));
  const deadline: CallOptions['deadline'] = { ms: limits.signatureCheckMs, covers: 'operation', stalled };
  const perform = async <Verdict>(signal: AbortSignal, call: (options: CallOptions) => Promise<Verdict>) => {
    const release = await takeSlot(slots, signal);
    const lane = freeLanes.pop() ?? { owner: 'signatures', hasOwnDisk: true };
    try {
      return await call({ lane, deadline, signal });
    } catch (error) {
      return failedCheck(error, signal);
    } finally {
      freeLanes.push(lane);
      release();
    }
  };
  return {
    verifySimpleSignature: (check, signal) =>
      perform(signal, (options) => run('verifySimpleSignature', { ...check, nowMs: nowMs(), limits }, options)),
    verifySigstoreSignature: (check, signal) =>
      perform(signal, (options) => run('verifySigstoreSignature', { ...check, nowMs: nowMs(), limits }, options)),
  };
}

async function takeSlot(slots: Slots, signal: AbortSignal): Promise<() => void> {
  try {
    return await slots.take(signal);
  } catch {
    throw cancellation(signal, 'signature: cancelled before its check');
  }
}

function stalled(ms: number): SealiftError {
  return new SealiftError('SIGNATURE_CHECK_STALLED', `signature: expected its check to end within ${ms} ms`, {
    context: { limit: 'signatureCheckMs', expected: ms },
  });
}

/** Throws the error again when it is not about the signature: a faulty key ring, or a cancellation. */
function failedCheck(error: unknown, signal: AbortSignal): RefusedSignature {
  const isAboutSignature =
    error instanceof SealiftError && error.code !== 'POLICY_INVALID' && error.code !== 'PULL_CANCELLED';
  if (signal.aborted || !isAboutSignature) throw error;
  const text = `its check failed: ${error.code}: ${error.message}`;
  return { kind: 'refused', reason: 'check-failed', text, remedy: undefined };
}
