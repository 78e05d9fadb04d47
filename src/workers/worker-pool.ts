import {
  createRangeBudgetMemory,
  type DocumentResponse,
  type HttpClient,
  type TransportSettings,
} from '../http/index.ts';
import {
  type CancellableWork,
  createWindowTokenMemory,
  type InflateMode,
  type LayerJob,
  type LayerLine,
  LayerLines,
  type LayerStager,
  pullCancelled,
  type StagedLayer,
  type StageOptions,
} from '../layer/index.ts';
import type { Limits } from '../limits/index.ts';
import { type CallOptions, createRun, type LaneName, type Run } from '../operations/index.ts';
import { CallLane } from './call-lane.ts';
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
  /** What gzip is inflated with; `auto` when absent. */
  readonly inflate?: InflateMode;
  /** Hash trees are made in a thread of their own, which costs its memory, and not by the one that writes the image. */
  readonly treeThread: boolean;
  /** Called when the last thread is gone. */
  readonly onIdle?: () => void;
}

/** A cancelled task that has not answered by then is stuck in the kernel or in code, and its thread is ended. */
const CANCEL_GRACE_MS = 5_000;

/** The thread that fetches documents for all callers, side by side. One for each caller would cost 25 MB each. */
interface NetworkThread {
  readonly worker: WorkerHandle;
  tasks: number;
}

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
  #network: NetworkThread | undefined;
  readonly #lanes = new Map<LaneName, CallLane>();
  /** Threads that were told to end and have not: the kernel holds them, usually for a disk that does not answer. */
  readonly #stuck = new Map<WorkerHandle, LaneName>();

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
   * The operations of a room, run in workers. One thread does all calls of a lane in turn: a thread for each would cost
   * more memory than it saves time. If a system call of an operation does not return before the deadline, its thread is
   * given up and the operation fails; what waited behind it goes on in another thread.
   */
  runner<Room extends keyof Rooms & string>(room: Room): Run<Rooms[Room]> {
    return createRun<Rooms[Room]>((operation, options) => this.#call({ room, operation }, options));
  }

  /** True while a thread exists, also one that gets no more work. */
  get hasThreads(): boolean {
    return this.#living > 0;
  }

  /** How many threads the kernel does not let go. While there are any, no work that needs the disk should begin. */
  get stuckThreads(): number {
    return this.#stuck.size;
  }

  /** The same without the threads of lanes that have a disk of their own. */
  get stuckStoreThreads(): number {
    return [...this.#stuck.values()].filter((lane) => typeof lane === 'string' || !lane.hasOwnDisk).length;
  }

  /** True while the kernel holds a thread of this lane, even if nothing waits for its call any more. */
  isStuck(lane: LaneName): boolean {
    return [...this.#stuck.values()].includes(lane);
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
    for (const lane of this.#lanes.values()) lane.close();
    for (const worker of this.#workers) this.#abandon(worker);
  }

  /** Lends a worker until `#release`. Throws `LAYER_WORKER_FAILED` when none can be started. */
  #acquire(kind: 'networked' | 'plain'): WorkerHandle {
    for (const [worker] of this.#idle) if (worker.isDead) this.#forget(worker);
    // The thread that worked last has the code it needs.
    const idle = [...this.#idle.keys()].reverse();
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

  #enterNetwork(): WorkerHandle {
    const known = this.#network;
    const entered = known !== undefined && !known.worker.isDead ? known : this.#openNetwork();
    entered.tasks += 1;
    return entered.worker;
  }

  #openNetwork(): NetworkThread {
    this.#network = { worker: this.#acquire('networked'), tasks: 0 };
    return this.#network;
  }

  #leaveNetwork(worker: WorkerHandle): void {
    if (this.#network?.worker === worker) {
      this.#network.tasks -= 1;
      if (this.#network.tasks > 0) return;
      this.#network = undefined;
    }
    // Otherwise the worker died and another serves the network, whose tasks are not counted here.
    this.#release(worker);
  }

  #call(call: SentOperation, options: CallOptions = {}): Promise<unknown> {
    const { lane: name = 'foreground' } = options;
    const lane = this.#lanes.get(name) ?? this.#openLane(name);
    return lane.run(call, options);
  }

  #openLane(name: LaneName): CallLane {
    const lane = new CallLane({
      acquire: () => this.#acquire('plain'),
      release: (worker) => this.#release(worker),
      abandon: (worker, reason) => this.#abandon(worker, { reason, lane: name }),
      awaitCancellable: (work) => this.#awaitCancellable(work),
      idle: () => this.#lanes.delete(name),
    });
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Does not wait for the thread's end: one that hangs in the kernel ends only when the kernel lets it go. */
  #abandon(
    worker: WorkerHandle,
    { reason, lane = 'foreground' }: { readonly reason?: Error; readonly lane?: LaneName } = {},
  ): void {
    this.#stuck.set(worker, lane);
    void worker.exited.then(() => this.#stuck.delete(worker));
    this.#forget(worker, reason);
  }

  #spawn(): WorkerHandle {
    const { entry, limits, inflate = 'auto' } = this.#options;
    const worker = new WorkerHandle(entry, {
      windowToken: this.#windowToken,
      rangesTaken: this.#rangesTaken,
      rangesShare: createRangeBudgetMemory(),
      workerId: this.#nextWorkerId++,
      limits,
      inflate,
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
    const worker = this.#enterNetwork();
    try {
      const { answer, cancel } = worker.fetchDocument(task);
      return await this.#awaitCancellable({ signal, threads: [worker], cancel, answer });
    } finally {
      this.#leaveNetwork(worker);
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
