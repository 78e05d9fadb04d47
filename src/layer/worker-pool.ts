import { SealiftError } from '../errors/index.ts';
import type { DocumentResponse, HttpClient, TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Task } from './messages.ts';
import { createRingMemory, Ring } from './ring.ts';
import type { LayerJob, StagedLayer } from './types.ts';
import { createWindowTokenMemory } from './window-token.ts';
import { PeerFailure, type TaskAnswer, type TaskHooks, WorkerHandle } from './worker-handle.ts';

export interface WorkerPoolOptions {
  /** The worker's module: layer/worker.ts from source, its bundle in a build. */
  readonly entry: URL;
  /** How long a worker without work is kept; its memory goes with it. */
  readonly idleMs: number;
  readonly limits: Limits;
}

/** A cancelled task that has not answered by then is stuck in the kernel or in code; its thread is ended. */
const CANCEL_GRACE_MS = 5_000;

export interface StageOptions extends TaskHooks {
  /** Two workers with a ring between them, or one that does it all. */
  readonly split: boolean;
  /** The worker that keeps the writer of a merged target. */
  readonly applier?: WorkerHandle;
  readonly signal?: AbortSignal | undefined;
}

/** All worker threads of the process. Owns them, lends them, and ends those that idle. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #windowToken = createWindowTokenMemory();
  readonly #workers = new Set<WorkerHandle>();
  readonly #idle = new Map<WorkerHandle, NodeJS.Timeout>();
  readonly #rings: SharedArrayBuffer[] = [];

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Fetches, verifies and applies one layer. Throws the failure of the side where it began. */
  stage(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    return options.split ? this.#stageSplit(job, options) : this.#stageWhole(job, options);
  }

  /** Runs plain data through the operation table of the worker entry. */
  async call(operation: unknown): Promise<unknown> {
    const worker = this.acquire('plain');
    try {
      const answer = await worker.start({ type: 'call', operation }).answer;
      return expectAnswer(answer, 'called').result;
    } finally {
      this.release(worker);
    }
  }

  /** The HTTP client of the main thread: requests travel to a worker, so that undici is loaded once, and there. */
  httpClient(transport: TransportSettings): HttpClient {
    return {
      fetchDocument: (request, maxBytes, signal) =>
        this.#fetchDocument({ type: 'document', request, transport, maxBytes }, signal),
    };
  }

  /** Lends a worker until `release`. */
  acquire(wanted: 'networked' | 'plain'): WorkerHandle {
    for (const [worker] of this.#idle) if (worker.isDead) this.#forget(worker);
    const idle = [...this.#idle.keys()];
    const fitting = idle.find((worker) => worker.isNetworked === (wanted === 'networked')) ?? idle[0];
    const worker = fitting ?? this.#spawn();
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    if (wanted === 'networked') worker.isNetworked = true;
    return worker;
  }

  release(worker: WorkerHandle): void {
    if (worker.isDead || !this.#workers.has(worker)) {
      this.#forget(worker);
      return;
    }
    const timer = setTimeout(() => this.#forget(worker), this.#options.idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  /** Ends all threads; tasks still running fail. */
  close(): void {
    for (const worker of this.#workers) this.#forget(worker);
  }

  #spawn(): WorkerHandle {
    const { entry, limits } = this.#options;
    const worker = new WorkerHandle(entry, { windowToken: this.#windowToken, limits });
    this.#workers.add(worker);
    return worker;
  }

  #forget(worker: WorkerHandle): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    this.#workers.delete(worker);
    worker.terminate();
  }

  async #fetchDocument(task: Task, signal: AbortSignal | undefined): Promise<DocumentResponse> {
    const worker = this.acquire('networked');
    try {
      const running = worker.start(task);
      const answer = await this.#cancellable(signal, [worker], running.cancel, running.answer);
      return expectAnswer(answer, 'answered').response;
    } finally {
      this.release(worker);
    }
  }

  async #stageWhole(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    const worker = options.applier ?? this.acquire('networked');
    worker.isNetworked = true;
    try {
      const running = worker.start({ type: 'line', role: 'whole', job }, options);
      const answer = await this.#cancellable(options.signal, [worker], running.cancel, running.answer);
      return expectAnswer(answer, 'staged').staged;
    } finally {
      if (options.applier === undefined) this.release(worker);
    }
  }

  async #stageSplit(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    const memory = this.#rings.pop() ?? createRingMemory();
    const ring = new Ring(memory);
    ring.reset();
    const applier = options.applier ?? this.acquire('plain');
    const fetcher = this.acquire('networked');
    try {
      const fetching = fetcher.start({ type: 'line', role: 'fetch', job, ring: memory }, options);
      const applying = applier.start({ type: 'line', role: 'apply', job, ring: memory });
      const cancel = (): void => {
        ring.abort('cancelled');
        fetching.cancel();
        applying.cancel();
      };
      const wakePeer = (error: unknown): never => {
        ring.abort('peer-failed');
        throw error;
      };
      const both = Promise.allSettled([fetching.answer.catch(wakePeer), applying.answer.catch(wakePeer)]);
      const [fetched, applied] = await this.#cancellable(options.signal, [fetcher, applier], cancel, both);
      throwFirstCause([fetched, applied]);
      return expectAnswer(applied.status === 'fulfilled' ? applied.value : undefined, 'staged').staged;
    } finally {
      this.release(fetcher);
      if (options.applier === undefined) this.release(applier);
      // A worker that was ended may still be on its way out of the ring: such memory is not used again.
      if (!fetcher.isDead && !applier.isDead) this.#rings.push(memory);
    }
  }

  /** Waits for `answer` while `signal` may cancel it; threads that do not answer a cancel in time are ended. */
  async #cancellable<T>(
    signal: AbortSignal | undefined,
    workers: readonly WorkerHandle[],
    cancel: () => void,
    answer: Promise<T>,
  ): Promise<T> {
    let grace: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      cancel();
      grace = setTimeout(() => workers.forEach((worker) => void this.#forget(worker)), CANCEL_GRACE_MS);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      const value = await answer;
      if (signal?.aborted === true) throw cancelled(signal);
      return value;
    } catch (error) {
      throw signal?.aborted === true ? cancelled(signal) : error;
    } finally {
      clearTimeout(grace);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

function cancelled(signal: AbortSignal): SealiftError {
  return new SealiftError('PULL_CANCELLED', 'pull: cancelled', { cause: signal.reason });
}

/** Of two failed sides one has only noticed the other; the digest of the blob, on the fetch side, speaks first. */
function throwFirstCause(results: readonly PromiseSettledResult<TaskAnswer>[]): void {
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const cause = errors.find((error) => !(error instanceof PeerFailure)) ?? errors[0];
  if (cause === undefined) return;
  if (cause instanceof PeerFailure) throw new SealiftError('LAYER_WORKER_FAILED', `layer: ${cause.message}`);
  throw cause;
}

function expectAnswer<Type extends TaskAnswer['type']>(
  answer: TaskAnswer | undefined,
  type: Type,
): Extract<TaskAnswer, { type: Type }> {
  if (answer?.type !== type) {
    throw new SealiftError('INTERNAL', `layer worker: expected the answer ${type}, got ${answer?.type ?? 'none'}`);
  }
  return answer as Extract<TaskAnswer, { type: Type }>;
}
