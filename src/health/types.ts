import type { PullCounts } from '../daemon/index.ts';
import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { SpaceFacts, VolumeSummary } from '../volume/index.ts';

/** Where to be asked: this machine and nowhere else. */
export type HealthAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** What is known at once, without a look at the disk. */
export interface HealthFacts {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly pulls: PullCounts;
  readonly volume: VolumeSummary;
  /** Threads that the kernel does not let go of. */
  readonly stuckThreads: number;
  /** Why no pull is served now. */
  readonly obstacle: SealiftError | undefined;
}

export interface HealthPorts {
  readonly facts: () => HealthFacts;
  /** Asks the store's file system, in a worker; undefined: it did not answer, or nothing is mounted. */
  readonly measureSpace: () => Promise<SpaceFacts | undefined>;
  readonly rssBytes: () => number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

export type HealthLimits = Pick<Limits, 'maxHealthConnections' | 'healthTimeoutMs'>;

export interface HealthServerOptions {
  readonly address: HealthAddress;
  readonly ports: HealthPorts;
  readonly limits: HealthLimits;
  /** A client that was turned away; `HEALTH_REQUEST_REFUSED`. */
  readonly onFault: (error: SealiftError) => void;
}

export interface HealthServer {
  /** Ends every connection. */
  stop(): void;
}
