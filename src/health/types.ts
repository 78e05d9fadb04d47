import type { DaemonFacts } from '../daemon/index.ts';
import type { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { ResidentMemory } from '../platform/index.ts';
import type { VolumeSpace } from '../volume/index.ts';

/** The address of the server: a unix socket or a port of the loopback interface. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface HealthPorts {
  readonly facts: () => DaemonFacts;
  /** Measures the store's file system in a worker; undefined when it does not answer or nothing is mounted. */
  readonly measureSpace: () => Promise<VolumeSpace | undefined>;
  readonly memory: () => ResidentMemory;
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
