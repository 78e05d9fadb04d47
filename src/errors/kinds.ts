/** What a failure means for the caller. It decides about retries, mirrors, the RPC status and the exit code. */
export const KINDS = {
  invalid: { exitCode: 2 },
  denied: { exitCode: 3 },
  corrupt: { exitCode: 4 },
  unsupported: { exitCode: 5 },
  missing: { exitCode: 6 },
  unavailable: { exitCode: 7 },
  exhausted: { exitCode: 8 },
  unauthorized: { exitCode: 9 },
  internal: { exitCode: 70 },
} as const;

export type ErrorKind = keyof typeof KINDS;

export interface CodeEntry {
  readonly kind: ErrorKind;
  /** One sentence for docs/errors.md. */
  readonly summary: string;
  /** The next step for the operator. */
  readonly hint: string;
  /** The hint for the owner of a pod, where settings of the daemon's file do not simply replace options in `hint`. */
  readonly daemonHint?: string;
}
