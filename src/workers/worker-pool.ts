import { SealiftError } from '../errors/index.ts';
import {
  createRangeBudgetMemory,
  type DocumentResponse,
  type HttpClient,
  type TransportSettings,
} from '../http/index.ts';
import { type LinePair, LinePairs, type PairTurn } from '../layer/line-pairs.ts';
import { createRingMemory, Ring, type RingAbortReason } from '../layer/ring.ts';
import type { LayerJob, StagedLayer } from '../layer/types.ts';
import { createWindowTokenMemory } from '../layer/window-token.ts';
import type { Limits } from '../limits/index.ts';
import type { Task } from './messages.ts';
import { PeerFailure, type TaskAnswer, type TaskHooks, WorkerHandle } from './worker-handle.ts';

export interface WorkerPoolOptions {
  /** The worker's module: layer/worker.ts from source, its bundle in a build. */
  readonly entry: URL;
  /** Cores to keep busy; every two of them share a pair of layer threads. */
  readonly cores: number;
  /** How long a worker without work is kept; its memory goes with it. */
  readonly idleMs: number;
  readonly limits: Limits;
  /** Hash trees are made in a thread of their own, which costs its memory, and not by the one that writes the image. */
  readonly treeThread: boolean;
  /** The last thread is gone. */
  readonly onIdle?: () => void;
}

/** A cancelled task that has not answered by then is stuck in the kernel or in code; its thread is ended. */
const CANCEL_GRACE_MS = 5_000;

/** `background`: work that may take long and that nobody waits for. */
export type CallLane = 'foreground' | 'background';

/**
 * What one thread does for all that ask at a time: calls of a lane in turn, and documents side by side. A thread each
 * would cost 25 MB for each of many pulls that begin together.
 */
type SharedLane = CallLane | 'network';

export interface CallOptions {
  readonly lane?: CallLane;
  /** From the request to the answer, the calls before it in its lane included; undefined: however long it takes. */
  readonly timeoutMs?: number;
}

export interface StageOptions extends TaskHooks {
  readonly signal?: AbortSignal | undefined;
}

/** A pair of threads kept for the layers of one merged target, whose writer lives on its applier. */
export interface LayerLine {
  stage(job: LayerJob, options: StageOptions): Promise<StagedLayer>;
  close(): void;
}

/** All worker threads of the process. Owns them, lends them, and ends those that idle. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #windowToken = createWindowTokenMemory();
  readonly #rangesTaken = createRangeBudgetMemory();
  #nextWorkerId = 1;
  readonly #workers = new Set<WorkerHandle>();
  /** Threads that have not ended, whether they still get work or not. */
  #living = 0;
  readonly #idle = new Map<WorkerHandle, NodeJS.Timeout>();
  readonly #rings: SharedArrayBuffer[] = [];
  readonly #pairs: LinePairs<WorkerHandle>;
  readonly #shared = new Map<SharedLane, { readonly worker: WorkerHandle; tasks: number }>();
  /** Threads that were ended and have not gone: the kernel keeps them, as a rule for a disk that does not answer. */
  readonly #stuck = new Set<WorkerHandle>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#pairs = new LinePairs(Math.max(1, Math.floor(options.cores / 2)), {
      open: () => ({ fetcher: this.#acquire('networked'), applier: this.#acquire('plain') }),
      close: ({ fetcher, applier, hasher }) => {
        for (const worker of [fetcher, applier, hasher]) if (worker !== undefined) this.#release(worker);
      },
    });
  }

  /**
   * Fetches, verifies and applies one layer as soon as a pair of threads has its turn. Throws the failure of the side
   * where it began, or `PULL_CANCELLED`.
   */
  async stage(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    const turn = await this.#takeTurn(job.blobSize, options.signal);
    try {
      return await this.#runLine(job, turn, options);
    } finally {
      turn.ended();
    }
  }

  /** A line for all layers of one merged target, one after the other. The caller closes it. */
  async openLine(directory: string, signal: AbortSignal): Promise<LayerLine> {
    // Nobody else's layer has room beside it.
    const turn = await this.#takeTurn(Number.POSITIVE_INFINITY, signal);
    return {
      // The turn is kept: nobody else's layer comes between.
      stage: (job, options) => this.#runLine(job, { pair: turn.pair, ...NO_NEXT }, options),
      close: () => {
        turn.pair.applier.releaseTarget(directory);
        turn.ended();
      },
    };
  }

  /**
   * Runs plain data through the operation table of the worker entry. One thread does all such work of a lane in turn: it
   * is short, and a thread each would cost more memory than it saves time. What does not answer within `timeoutMs`
   * throws `STORE_STALLED`, and its thread is given up with all that waits for it.
   */
  async call(operation: unknown, options: CallOptions = {}): Promise<unknown> {
    const { lane = 'foreground', timeoutMs } = options;
    const caller = this.#enter(lane);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#giveUp(caller, timeoutMs), timeoutMs);
    try {
      const answer = await caller.start({ type: 'call', operation }).answer;
      return expectAnswer(answer, 'called').result;
    } finally {
      clearTimeout(timer);
      this.#leave(lane, caller);
    }
  }

  /** Threads that the kernel does not let go of. While there are any, nothing should be begun that needs the disk. */
  get stuckThreads(): number {
    return this.#stuck.size;
  }

  /** Has a worker load the HTTP client now, beside what the main thread does; the first request finds it there. */
  warm(transport: TransportSettings): void {
    const worker = this.#acquire('networked');
    // The first request tells of a failure; this one is nobody's.
    worker.start({ type: 'warm', transport }).answer.catch(() => {});
    this.#release(worker);
  }

  /** The HTTP client of the main thread: requests travel to a worker, so that undici is loaded once, and there. */
  httpClient(transport: TransportSettings): HttpClient {
    return {
      fetchDocument: (request, maxBytes, signal) =>
        this.#fetchDocument({ type: 'document', request, transport, maxBytes }, signal),
    };
  }

  /** Ends all threads; tasks still running fail. Each is among `stuckThreads` until it is gone. */
  close(): void {
    for (const worker of this.#workers) this.#abandon(worker);
  }

  /** Lends a worker until `#release`. */
  #acquire(wanted: 'networked' | 'plain'): WorkerHandle {
    for (const [worker] of this.#idle) if (worker.isDead) this.#forget(worker);
    const idle = [...this.#idle.keys()];
    const isNetworked = wanted === 'networked';
    // A networked worker is kept for the network: another that learns it costs 20 MB, a plain one 5.
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
    // Otherwise it died and was replaced by another, whose tasks are not ours to count.
    this.#release(worker);
  }

  #giveUp(worker: WorkerHandle, timeoutMs: number): void {
    const message = `store: expected an answer of its file system within ${timeoutMs} ms`;
    const context = { limit: 'storeTimeoutMs', expected: timeoutMs };
    this.#abandon(worker, new SealiftError('STORE_STALLED', message, { context }));
  }

  /** Never waited for: a thread that hangs in the kernel ends when the kernel lets go of it. */
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
    void worker.exited.then(() => this.#settleDown());
    return worker;
  }

  #forget(worker: WorkerHandle, reason?: Error): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    this.#workers.delete(worker);
    worker.terminate(reason);
  }

  #settleDown(): void {
    this.#living -= 1;
    if (this.#living > 0) return;
    this.#rings.length = 0;
    this.#options.onIdle?.();
  }

  async #fetchDocument(task: Task, signal: AbortSignal | undefined): Promise<DocumentResponse> {
    const worker = this.#enter('network');
    try {
      const running = worker.start(task);
      const answer = await this.#cancellable(signal, [worker], running.cancel, running.answer);
      return expectAnswer(answer, 'answered').response;
    } finally {
      this.#leave('network', worker);
    }
  }

  async #takeTurn(blobBytes: number, signal: AbortSignal | undefined) {
    try {
      return await this.#pairs.take(blobBytes, signal);
    } catch (error) {
      throw signal?.aborted === true ? cancelled(signal) : error;
    }
  }

  async #runLine(job: LayerJob, turn: LineTurn, options: StageOptions): Promise<StagedLayer> {
    const { fetcher, applier } = turn.pair;
    const tree = this.#openTree(job, turn.pair);
    const ring = this.#takeRing();
    const rings = tree === undefined ? [ring] : [ring, tree.ring];
    const workers = tree === undefined ? [fetcher, applier] : [fetcher, applier, tree.hasher];
    const hooks = { ...options, onProgress: (bytes: number) => noteProgress(bytes, job, turn, options) };
    const fetching = fetcher.start({ type: 'line', role: 'fetch', job, ring }, hooks);
    const applying = applier.start({ type: 'line', role: 'apply', job, ring, treeRing: tree?.ring });
    const hashing = tree === undefined ? [] : [tree.hasher.start({ type: 'tree', path: tree.path, ring: tree.ring })];
    const abortRings = (reason: RingAbortReason): void => {
      for (const memory of rings) new Ring(memory).abort(reason);
    };
    const cancel = (): void => {
      abortRings('cancelled');
      for (const task of [fetching, applying, ...hashing]) task.cancel();
    };
    const wakePeers = (error: unknown): never => {
      abortRings('peer-failed');
      throw error;
    };
    const fetched = fetching.answer.catch(wakePeers);
    void fetched.then(turn.fetched, turn.fetched);
    const others = [applying, ...hashing].map(({ answer }) => answer.catch(wakePeers));
    const all = Promise.allSettled([fetched, ...others]);
    try {
      const results = await this.#cancellable(options.signal, workers, cancel, all);
      throwFirstCause(results);
      const [, applied, hashed] = results.map((each) => (each.status === 'fulfilled' ? each.value : undefined));
      const { staged } = expectAnswer(applied, 'staged');
      return tree === undefined ? staged : { ...staged, image: expectAnswer(hashed, 'hashed').image };
    } finally {
      // A worker that was ended may still be on its way out of the ring: such memory is not used again.
      if (!workers.some(({ isDead }) => isDead)) this.#rings.push(...rings);
    }
  }

  /** The third part of a line, where it has a thread of its own. */
  #openTree({ target }: LayerJob, pair: LinePair<WorkerHandle>) {
    if (!this.#options.treeThread || target.kind !== 'image' || !target.verity) return undefined;
    pair.hasher ??= this.#acquire('plain');
    return { hasher: pair.hasher, path: target.path, ring: this.#takeRing() };
  }

  #takeRing(): SharedArrayBuffer {
    const memory = this.#rings.pop() ?? createRingMemory();
    new Ring(memory).reset();
    return memory;
  }

  /** A thread that others still wait for may only be slow with theirs: it is given the time that they give it. */
  #endStuck(workers: readonly WorkerHandle[]): void {
    for (const worker of workers) if (!worker.isWanted && !worker.isDead) this.#abandon(worker);
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
      grace = setInterval(() => this.#endStuck(workers), CANCEL_GRACE_MS);
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
      clearInterval(grace);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** The part of a turn that a line tells of its progress. */
type LineTurn = Pick<PairTurn<WorkerHandle>, 'pair' | 'missing' | 'fetched'>;

const NO_NEXT = { missing: (): void => {}, fetched: (): void => {} };

function noteProgress(bytes: number, { blobSize }: LayerJob, turn: LineTurn, { onProgress }: StageOptions): void {
  onProgress?.(bytes);
  turn.missing(blobSize - bytes);
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
