import { cancellation, SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { CallOptions, OwnLane, Run } from '../operations/index.ts';
import { Slots } from '../slots/index.ts';
import type { SignatureOperations } from './checks/index.ts';
import type { RefusedSignature } from './signed-content/index.ts';
import type { KeyExaminer, SignatureVerifier } from './types.ts';

/** How many signatures are checked at a time in the whole program; each needs a thread with OpenPGP.js, about 20 MB. */
const MAX_CHECKS = 2;

export interface VerifierOptions {
  /** Runs the operations of this room in workers. */
  readonly run: Run<SignatureOperations>;
  readonly limits: Limits;
  /** The time that expiry is compared with, in milliseconds since 1970. */
  readonly nowMs: () => number;
  /** A clock in milliseconds that never goes back, for how long checks take. */
  readonly elapsedMs?: () => number;
}

/** The verifier of a program. */
export interface ProgramVerifier extends KeyExaminer {
  /** Returns what verifies the signatures of one image: all its checks together have `imageSignatureCheckMs`. */
  forImage(): SignatureVerifier;
}

// docs/adr/0025-signatures-in-workers.md
/**
 * Verifies signatures in worker threads, one signature for each call. A check that does not end in time, or whose thread
 * crashes, refuses that signature and no other one; its thread is ended. When the time of the image is used up, the
 * signatures that are left are refused without a check.
 */
export function createSignatureVerifier(options: VerifierOptions): ProgramVerifier {
  const { run, limits, nowMs, elapsedMs = () => performance.now() } = options;
  const slots = new Slots(MAX_CHECKS);
  const freeLanes = Array.from({ length: MAX_CHECKS }, (): OwnLane => ({ owner: 'signatures', hasOwnDisk: true }));
  const perform = async <Result>(
    { budget, signal }: CheckContext,
    call: (options: CallOptions) => Promise<Result>,
  ): Promise<Result> => {
    const release = await takeSlot(slots, signal);
    const lane = freeLanes.pop() ?? { owner: 'signatures', hasOwnDisk: true };
    // Waiting for a slot is the work of other images, and costs this one nothing.
    const startedMs = elapsedMs();
    try {
      return await call({ lane, deadline: deadlineOf(budget, limits), signal });
    } finally {
      budget.spentMs += elapsedMs() - startedMs;
      freeLanes.push(lane);
      release();
    }
  };
  const judge = <Verdict>(context: CheckContext, call: (options: CallOptions) => Promise<Verdict>) =>
    perform(context, call).catch((error: unknown) => failedCheck(error, context.signal));
  return {
    forImage: () => {
      const budget = { spentMs: 0 };
      return {
        verifySimpleSignature: (check, signal) =>
          judge({ budget, signal }, (options) =>
            run('verifySimpleSignature', { ...check, nowMs: nowMs(), limits }, options),
          ),
        verifySigstoreSignature: (check, signal) =>
          judge({ budget, signal }, (options) =>
            run('verifySigstoreSignature', { ...check, nowMs: nowMs(), limits }, options),
          ),
      };
    },
    examineKeys: (examination, signal) =>
      perform({ budget: { spentMs: 0 }, signal }, (options) =>
        run('examineKeys', { ...examination, nowMs: nowMs(), limits }, options),
      ),
  };
}

interface CheckBudget {
  /** How long the checks of one image have taken so far. */
  spentMs: number;
}

interface CheckContext {
  readonly budget: CheckBudget;
  readonly signal: AbortSignal;
}

type CheckLimit = 'signatureCheckMs' | 'imageSignatureCheckMs';

/** Returns the deadline of the next check. Throws `SIGNATURE_CHECK_STALLED` when the time of the image is used up. */
function deadlineOf({ spentMs }: CheckBudget, limits: Pick<Limits, CheckLimit>): CallOptions['deadline'] {
  const leftMs = Math.ceil(limits.imageSignatureCheckMs - spentMs);
  const { signatureCheckMs } = limits;
  const ofImage = stalled('imageSignatureCheckMs', limits.imageSignatureCheckMs);
  if (leftMs <= 0) throw ofImage;
  if (leftMs < signatureCheckMs) return { ms: leftMs, covers: 'operation', stalled: () => ofImage };
  return { ms: signatureCheckMs, covers: 'operation', stalled: (ms) => stalled('signatureCheckMs', ms) };
}

async function takeSlot(slots: Slots, signal: AbortSignal): Promise<() => void> {
  try {
    return await slots.take(signal);
  } catch {
    throw cancellation(signal, 'signature: cancelled before its check');
  }
}

function stalled(limit: CheckLimit, expected: number): SealiftError {
  const what = limit === 'signatureCheckMs' ? 'its check' : 'the checks of all signatures of the image';
  const message = `signature: expected ${what} to end within ${expected} ms`;
  return new SealiftError('SIGNATURE_CHECK_STALLED', message, { context: { limit, expected } });
}

/** Throws the error again when it is not about the signature: a faulty key ring, or a cancellation. */
function failedCheck(error: unknown, signal: AbortSignal): RefusedSignature {
  const isAboutSignature =
    error instanceof SealiftError && error.code !== 'POLICY_INVALID' && error.code !== 'PULL_CANCELLED';
  if (signal.aborted || !isAboutSignature) throw error;
  const text = `its check failed: ${error.code}: ${error.message}`;
  return { kind: 'refused', reason: 'check-failed', text, remedy: undefined };
}
