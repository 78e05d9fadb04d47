import { SealiftError } from '../errors/index.ts';
import { type CancellableWork, pullCancelled } from '../layer/index.ts';
import type { CallOptions, Deadline } from '../operations/index.ts';
import { LaneStalled } from './lane-stalled.ts';
import type { SentOperation } from './messages.ts';
import { watchForStall } from './watch-stall.ts';
import type { WorkerHandle } from './worker-handle.ts';

/** The owner of the threads, as a lane needs it. */
export interface LaneThreads {
  /** Throws `LAYER_WORKER_FAILED` when no thread can be started. */
  acquire(): WorkerHandle;
  release(worker: WorkerHandle): void;
  /** Ends a thread that may hang in the kernel; its call fails with `reason`. */
  abandon(worker: WorkerHandle, reason: Error): void;
  awaitCancellable<Result>(work: CancellableWork<WorkerHandle, Result>): Promise<Result>;
  /** Called when the lane has no call left. */
  idle(): void;
}

interface QueuedCall {
  readonly call: SentOperation;
  readonly options: CallOptions;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Set while the call runs. */
  worker: WorkerHandle | undefined;
  /** How many threads in a row were given up while the call waited. */
  stallsSeen: number;
}

/**
 * A disk that has held two threads in a row does not answer. The calls that waited for both fail then: one thread after
 * the other would be lost otherwise, and each call would fail a deadline later than the one before.
 */
const MAX_STALLS = 2;

/**
 * Calls that are made one after the other, in the order in which they came, on a thread that is held while there are
 * any. A call that only waits behind one whose thread is given up runs on the next thread.
 */
export class CallLane {
  readonly #threads: LaneThreads;
  readonly #queue: QueuedCall[] = [];
  #isServing = false;

  constructor(threads: LaneThreads) {
    this.#threads = threads;
  }

  run(call: SentOperation, options: CallOptions): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const queued: QueuedCall = { call, options, resolve, reject, worker: undefined, stallsSeen: 0 };
    this.#queue.push(queued);
    const { deadline } = options;
    const timer =
      deadline?.covers === 'operation' ? setTimeout(() => this.#expire(queued, deadline), deadline.ms) : undefined;
    if (!this.#isServing) void this.#serve();
    return promise.finally(() => clearTimeout(timer));
  }

  /** Fails the calls that have not begun. */
  close(): void {
    for (const { reject } of this.#queue.splice(0)) {
      reject(
        new SealiftError('LAYER_WORKER_FAILED', 'worker thread: the call had not begun when the threads were ended'),
      );
    }
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    let worker: WorkerHandle | undefined;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (worker?.isDead) {
        this.#threads.release(worker);
        worker = undefined;
      }
      try {
        worker ??= this.#threads.acquire();
      } catch (error) {
        // The kernel may refuse a thread for the moment; the lane serves the next call all the same.
        next.reject(error);
        if (this.#queue.length === 0) this.#leave(undefined);
        continue;
      }
      const settle = await this.#perform(next, worker);
      // The thread is free before the caller goes on, whose next call may be in another lane: it is warm.
      if (this.#queue.length === 0) this.#leave(worker);
      settle();
    }
  }

  #leave(worker: WorkerHandle | undefined): void {
    this.#isServing = false;
    if (worker !== undefined) this.#threads.release(worker);
    this.#threads.idle();
  }

  /** Returns the function that gives the caller its result. */
  async #perform(next: QueuedCall, worker: WorkerHandle): Promise<() => void> {
    const { options, resolve, reject } = next;
    next.worker = worker;
    try {
      const result = await this.#answerOf(next, worker);
      for (const waiting of this.#queue) waiting.stallsSeen = 0;
      return () => resolve(result);
    } catch (error) {
      if (error instanceof LaneStalled) this.#noteStall(error);
      return () => reject(error instanceof LaneStalled ? stalledError(options, error) : error);
    }
  }

  async #answerOf({ call, options: { deadline, signal } }: QueuedCall, worker: WorkerHandle): Promise<unknown> {
    if (signal?.aborted === true) throw pullCancelled(signal);
    const { answer, cancel } = worker.call(call);
    const endWatch =
      deadline?.covers !== 'system-call'
        ? undefined
        : watchForStall(worker, deadline.ms, () => this.#threads.abandon(worker, new LaneStalled(deadline)));
    try {
      return await this.#threads.awaitCancellable({ signal, threads: [worker], cancel, answer });
    } finally {
      endWatch?.();
    }
  }

  /** A call that had to end by now. Its thread is given up if the call has begun. */
  #expire(queued: QueuedCall, deadline: Deadline): void {
    if (queued.worker !== undefined) {
      this.#threads.abandon(queued.worker, new LaneStalled(deadline));
      return;
    }
    this.#queue.splice(this.#queue.indexOf(queued), 1);
    queued.reject(deadline.stalled(deadline.ms));
  }

  #noteStall(stall: LaneStalled): void {
    for (const waiting of this.#queue) waiting.stallsSeen += 1;
    const lost = this.#queue.filter(({ stallsSeen }) => stallsSeen >= MAX_STALLS);
    for (const waiting of lost) {
      this.#queue.splice(this.#queue.indexOf(waiting), 1);
      waiting.reject(stalledError(waiting.options, stall));
    }
  }
}

/** Each room has an error of its own for a disk that does not answer. */
function stalledError({ deadline }: CallOptions, stall: LaneStalled): SealiftError {
  return (deadline ?? stall.deadline).stalled(stall.deadline.ms);
}
