import type { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { Checkpoint } from '../platform/index.ts';
import type { PullRequest, PullResult } from '../pull/index.ts';

/** A pull that the kata agent requests. Both texts are attacker-controlled: they come over a socket. */
export interface PullCall {
  readonly imageUrl: string;
  /** The bundle directory, made by the agent. */
  readonly bundlePath: string;
  /** Every log line of the call has it. */
  readonly requestId: string;
  /** Milliseconds that the caller waits; absent if it does not say. */
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
}

export interface PullAnswer {
  readonly manifestDigest: string;
}

export interface PullService {
  pullImage(call: PullCall): Promise<PullAnswer>;
}

/** What a reload may change; read at the beginning of each pull. */
export interface PullServiceSettings {
  /** Absolute paths below which bundles lie. */
  readonly bundleRoots: readonly string[];
  /** Why no image may be pulled with this configuration. */
  readonly obstacle: SealiftError | undefined;
}

export interface PullServicePorts {
  readonly settings: () => PullServiceSettings;
  /** The number of pulls that work at a time; further ones wait for a slot. */
  readonly maxPulls: number;
  readonly pull: (
    request: PullRequest,
    options: {
      readonly signal: AbortSignal;
      readonly log: Logger;
      /** When the caller gives up, on the clock of `nowMs`; undefined if it waits for ever. */
      readonly deadlineMs: number | undefined;
    },
  ) => Promise<PullResult>;
  /** Unmounts a rootfs that was mounted a moment ago. */
  readonly undo: (bundlePath: string) => Promise<void>;
  /** Has the attestation agent measure an image that is about to run. */
  readonly measure: (image: { readonly image: string; readonly digest: string }, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
  readonly checkpoint: Checkpoint;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}
