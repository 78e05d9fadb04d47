import {
  createRangeBudgetMemory,
  type DocumentResponse,
  type HttpClient,
  type TransportSettings,
} from '../http/index.ts';
import {
  type CancellableWork,
  createWindowTokenMemory,
  type LayerJob,
  type LayerLine,
  LayerLines,
  type LayerStager,
  pullCancelled,
  type StagedLayer,
  type StageOptions,
} from '../layer/index.ts';
import type { Limits } from '../limits/index.ts';
import { type CallLane, type CallOptions, createRun, type Run } from '../operations/index.ts';
import { LaneStalled } from './lane-stalled.ts';
import type { DocumentTask, SentOperation } from './messages.ts';
import { WorkerHandle } from './worker-handle.ts';

export interface WorkerPoolOptions {
  /** The worker's module: compose/worker.ts from source, its bundle in a build. */
  readonly entry: URL;
  /** Cores to keep busy; every two of them share a pair of layer threads. */
  readonly cores: number;
  /** How long a worker without work is kept. Its memory is freed when it ends. */
  readonly idleMs: number;
  readonly limits: Limits;
  /** Hash trees are made in a thread of their own, which costs its memory, and not by the one that writes the image. */
  readonly treeThread: boolean;
  /** Called when the last thread is gone. */
  readonly onIdle?: () => void;
}

/** A cancelled task that has not answered by then is stuck in the kernel or in code, and its thread is ended. */
const CANCEL_GRACE_MS = 5_000;

/**
 * The work that one thread does for all callers at a time: the calls of a lane one after the other, and documents
 * side by side. A thread for each caller would cost 25 MB for each of many pulls that begin together.
 */
type SharedLane = CallLane | 'network';

/**
 * All worker threads of the process. Owns them, lends them, and ends those that are idle. `Rooms` are the tables of
 * operations that the entry knows, by room.
 */
export class WorkerPool<Rooms = unknown> implements LayerStager {
  readonly #options: WorkerPoolOptions;
  readonly #windowToken = createWindowTokenMemory();
  readonly #rangesTaken = createRangeBudgetMemory();
  #nextWorkerId = 1;
  readonly #workers = new Set<WorkerHandle>();
  /** How many threads have not ended, including those that get no more work. */
  #living = 0;
  readonly #idle = new Map<WorkerHandle, NodeJS.Timeout>();
  readonly #lines: LayerLines<WorkerHandle>;
  readonly #shared = new Map<SharedLane, { readonly worker: WorkerHandle; tasks: number }>();
  /** Threads that were told to end and have not: the kernel holds them, usually for a disk that does not answer. */
  readonly #stuck = new Set<WorkerHandle>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#lines = new LayerLines({
      cores: options.cores,
      treeThread: options.treeThread,
      threads: {
        acquire: (kind) => this.#acquire(kind),
        release: (worker) => this.#release(worker),
        awaitCancellable: (work) => this.#awaitCancellable(work),
      },
    });
  }

  stage(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    return this.#lines.stage(job, options);
  }

  openLine(directory: string, signal: AbortSignal): Promise<LayerLine> {
    return this.#lines.openLine(directory, signal);
  }

  /**
   * The operations of a room, run in workers. One thread does all calls of a lane in turn: they are short, and a
   * thread for each would cost more memory than it saves time. If a call does not return before its deadline, its
   * thread is given up and all calls of the lane fail, each with its own deadline's error.
   */
  runner<Room extends keyof Rooms & string>(room: Room): Run<Rooms[Room]> {
    return createRun<Rooms[Room]>((operation, options) => this.#call({ room, operation }, options));
  }

  /** How many threads the kernel does not let go. While there are any, no work that needs the disk should begin. */
  get stuckThreads(): number {
    return this.#stuck.size;
  }

  /** Makes a worker load the HTTP client while the main thread does other work, so that the first request finds it. */
  warm(transport: TransportSettings): void {
    const worker = this.#acquire('networked');
    // No caller waits for this task; if loading fails, the first request fails with the same error.
    worker.warm(transport).answer.catch(() => {});
    this.#release(worker);
  }

  /** The HTTP client of the main thread. Requests are made in a worker, so that only that thread loads undici. */
  httpClient(transport: TransportSettings): HttpClient {
    return {
      fetchDocument: (request, maxBytes, signal) => this.#fetchDocument({ request, transport, maxBytes }, signal),
    };
  }

  /** Ends all threads; tasks still running fail. A thread counts as stuck until it is gone. */
  close(): void {
    for (const worker of this.#workers) this.#abandon(worker);
  }

  /** Lends a worker until `#release`. */
  #acquire(kind: 'networked' | 'plain'): WorkerHandle {
    for (const [worker] of this.#idle) if (worker.isDead) this.#forget(worker);
    const idle = [...this.#idle.keys()];
    const isNetworked = kind === 'networked';
    // Networked workers are kept for the network: one more costs 20 MB, a plain one 5.
    const fitting = idle.find((worker) => worker.isNetworked === isNetworked) ?? (isNetworked ? idle[0] : undefined);
    const worker = fitting ?? this.#spawn();
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    if (isNetworked) worker.isNetworked = true;
    return worker;
  }

  #release(worker: WorkerHandle): void {
    if (worker.isDead || !this.#workers.has(worker)) {
      this.#forget(worker);
      return;
    }
    const timer = setTimeout(() => this.#forget(worker), this.#options.idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  #enter(lane: SharedLane): WorkerHandle {
    const known = this.#shared.get(lane);
    const isUsable = known !== undefined && !known.worker.isDead;
    const entered = isUsable ? known : { worker: this.#acquire(lane === 'network' ? 'networked' : 'plain'), tasks: 0 };
    this.#shared.set(lane, entered);
    entered.tasks += 1;
    return entered.worker;
  }

  #leave(lane: SharedLane, worker: WorkerHandle): void {
    const entered = this.#shared.get(lane);
    if (entered?.worker === worker) {
      entered.tasks -= 1;
      if (entered.tasks > 0) return;
      this.#shared.delete(lane);
    }
    // Otherwise the worker died and another serves the lane, whose tasks are not counted here.
    this.#release(worker);
  }

  async #call(call: SentOperation, { lane = 'foreground', deadline }: CallOptions = {}): Promise<unknown> {
    const worker = this.#enter(lane);
    const giveUp = (): void => {
      if (deadline !== undefined) this.#abandon(worker, new LaneStalled(deadline));
    };
    const timer = deadline === undefined ? undefined : setTimeout(giveUp, deadline.ms);
    try {
      return await worker.call(call).answer;
    } catch (error) {
      throw error instanceof LaneStalled ? (deadline ?? error.deadline).stalled(error.deadline.ms) : error;
    } finally {
      clearTimeout(timer);
      this.#leave(lane, worker);
    }
  }

  /** Does not wait for the thread's end: one that hangs in the kernel ends only when the kernel lets it go. */
  #abandon(worker: WorkerHandle, reason?: Error): void {
    this.#stuck.add(worker);
    void worker.exited.then(() => this.#stuck.delete(worker));
    this.#forget(worker, reason);
  }

  #spawn(): WorkerHandle {
    const { entry, limits } = this.#options;
    const worker = new WorkerHandle(entry, {
      windowToken: this.#windowToken,
      rangesTaken: this.#rangesTaken,
      rangesShare: createRangeBudgetMemory(),
      workerId: this.#nextWorkerId++,
      limits,
    });
    this.#workers.add(worker);
    this.#living += 1;
    void worker.exited.then(() => this.#noteExit());
    return worker;
  }

  #forget(worker: WorkerHandle, reason?: Error): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    this.#workers.delete(worker);
    worker.terminate(reason);
  }

  #noteExit(): void {
    this.#living -= 1;
    if (this.#living > 0) return;
    this.#lines.dropRings();
    this.#options.onIdle?.();
  }

  async #fetchDocument(task: DocumentTask, signal: AbortSignal | undefined): Promise<DocumentResponse> {
    const worker = this.#enter('network');
    try {
      const { answer, cancel } = worker.fetchDocument(task);
      return await this.#awaitCancellable({ signal, threads: [worker], cancel, answer });
    } finally {
      this.#leave('network', worker);
    }
  }

  /** A thread with tasks of other callers may only be slow with theirs, so it is left alone. */
  #endStuck(workers: readonly WorkerHandle[]): void {
    for (const worker of workers) if (!worker.isWanted && !worker.isDead) this.#abandon(worker);
  }

  /** Waits for the answer while the signal may cancel it; threads that do not obey a cancel in time are ended. */
  async #awaitCancellable<Result>(work: CancellableWork<WorkerHandle, Result>): Promise<Result> {
    const { signal, threads, cancel, answer } = work;
    let grace: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      cancel();
      grace = setInterval(() => this.#endStuck(threads), CANCEL_GRACE_MS);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      const value = await answer;
      if (signal?.aborted === true) throw pullCancelled(signal);
      return value;
    } catch (error) {
      throw signal?.aborted === true ? pullCancelled(signal) : error;
    } finally {
      clearInterval(grace);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
