import type { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { PullRequest, PullResult } from '../pull/index.ts';

/** What the kata agent asks for. Both texts come over a socket. */
export interface PullCall {
  readonly imageUrl: string;
  /** The bundle directory, which the agent has made. */
  readonly bundlePath: string;
  /** In every line about the call. */
  readonly requestId: string;
  readonly signal: AbortSignal;
}

export interface PullAnswer {
  readonly manifestDigest: string;
}

export interface PullService {
  pullImage(call: PullCall): Promise<PullAnswer>;
}

/** What a reload may change; asked for at the beginning of each pull. */
export interface PullServiceSettings {
  /** Absolute paths below which bundles lie. */
  readonly bundleRoots: readonly string[];
  /** Why no image may be pulled with this configuration. */
  readonly obstacle: SealiftError | undefined;
}

export interface PullServicePorts {
  readonly settings: () => PullServiceSettings;
  /** Pulls that work at a time; further ones wait for their turn. */
  readonly maxPulls: number;
  readonly pull: (
    request: PullRequest,
    options: { readonly signal: AbortSignal; readonly log: Logger },
  ) => Promise<PullResult>;
  /** Takes a rootfs that was mounted a moment ago away again. */
  readonly undo: (bundlePath: string) => Promise<void>;
  /** Resolves when the registry's name can be looked up, or when there is no use in waiting any longer. */
  readonly waitForResolver: (imageUrl: string, signal: AbortSignal) => Promise<void>;
  /** Tells the attestation agent of an image that is about to run. */
  readonly measure: (image: { readonly image: string; readonly digest: string }, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
  /** Called at named moments, so that crash tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}
