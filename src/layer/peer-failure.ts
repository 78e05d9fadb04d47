/** `peer-refused`: the other role refused the bytes; `peer-failed`: it failed for a reason that no bytes can cause. */
export const RING_ABORT_REASONS = ['cancelled', 'peer-failed', 'peer-refused'] as const;
export type RingAbortReason = (typeof RING_ABORT_REASONS)[number];

/** A role of a line stopped only because another role had failed or the line was cancelled. */
export class PeerFailure extends Error {
  /** True if the other role refused the bytes, which may have been altered on the way. */
  readonly peerRefusedBytes: boolean = false;
}
