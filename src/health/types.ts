import type { PullCounts } from '../daemon/index.ts';
import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { VolumeSpace, VolumeSummary } from '../volume/index.ts';

/** The address of the server: a unix socket or a port of the loopback interface. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** What is known without reading from the disk. */
export interface HealthFacts {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly pulls: PullCounts;
  readonly volume: VolumeSummary;
  /** The number of threads that hang in a system call. */
  readonly stuckThreads: number;
  /** Why pulls are refused now; undefined when they are served. */
  readonly obstacle: SealiftError | undefined;
}

export interface HealthPorts {
  readonly facts: () => HealthFacts;
  /** Measures the store's file system in a worker; undefined when it does not answer or nothing is mounted. */
  readonly measureSpace: () => Promise<VolumeSpace | undefined>;
  readonly rssBytes: () => number;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

export type HealthLimits = Pick<Limits, 'maxHealthConnections' | 'healthTimeoutMs'>;

export interface HealthServerOptions {
  readonly address: ListenAddress;
  readonly ports: HealthPorts;
  readonly limits: HealthLimits;
  /** Called with `HEALTH_REQUEST_REFUSED` for each request that was refused. */
  readonly onFault: (error: SealiftError) => void;
}

export interface HealthServer {
  /** Stops listening and closes every connection. */
  stop(): void;
}
