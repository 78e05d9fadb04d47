import { type Configuration, type KeyBrokerSettings, limitsOf } from '../config/index.ts';
import type { Limits } from '../limits/index.ts';
import { type Checkpoint, createGuestClock, threadsOfMachine } from '../platform/index.ts';
import { createResourceLoader, type ResourceLoader } from '../resources/index.ts';
import { createSignatureVerifier, type ProgramVerifier } from '../signature/index.ts';
import { WorkerPool, type WorkerPoolOptions } from '../workers/index.ts';
import type { WorkerOperations } from './operations.ts';

/** The worker is a module of this tree when it runs from source; in a build its bundle is in the same folder. */
const WORKER_ENTRY = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.mjs', import.meta.url);

/** The worker threads of a program, with the operations of its rooms. */
export type ProgramPool = WorkerPool<WorkerOperations>;

/** What every command and every call of one program shares. */
export interface Parts {
  readonly configuration: Configuration;
  readonly limits: Limits;
  readonly pool: ProgramPool;
  readonly userAgent: string;
  readonly resources: ResourceLoader;
  readonly verifier: ProgramVerifier;
  readonly checkpoint: Checkpoint;
}

/** The settings that threads are started with. */
export type PoolSettings = Pick<WorkerPoolOptions, 'limits' | 'inflate'>;

/** Opens the worker threads of a program. `onIdle` is called when the last of them has ended. */
export type OpenPool = (settings: PoolSettings, idleMs: number, onIdle?: () => void) => ProgramPool;

export const openPool: OpenPool = (settings, idleMs, onIdle = () => {}) =>
  new WorkerPool({ ...settings, entry: WORKER_ENTRY, idleMs, onIdle, ...threadsOfMachine() });

export interface PartsOptions {
  readonly version: string;
  /** `limits.workerIdleMs` when absent. */
  readonly idleMs?: number;
  readonly checkpoint?: Checkpoint | undefined;
  readonly openPool?: OpenPool | undefined;
  /** Returns the key broker of the daemon that holds now. */
  readonly keyBroker?: () => KeyBrokerSettings;
  readonly onIdle?: () => void;
}

/** Opens the worker threads of a program, which the caller closes. Limits and the inflater are those of the start. */
export function openParts<Settings extends Configuration>(
  configuration: Settings,
  { version, idleMs, checkpoint = () => {}, openPool: open = openPool, keyBroker, onIdle }: PartsOptions,
): Parts & { readonly configuration: Settings } {
  const limits = limitsOf(configuration);
  const nowMs = createGuestClock(configuration.pull.notBefore.value);
  const pool = open({ limits, inflate: configuration.pull.inflate.value }, idleMs ?? limits.workerIdleMs, onIdle);
  const userAgent = `sealift/${version}`;
  return {
    configuration,
    limits,
    pool,
    userAgent,
    // Few pulls need the key broker.
    resources: createResourceLoader(async () =>
      (await import('../keybroker/index.ts')).createKeyBroker({ keyBroker, pool, limits, userAgent }),
    ),
    verifier: createSignatureVerifier({ run: pool.runner('signature'), limits, nowMs }),
    checkpoint,
  };
}
