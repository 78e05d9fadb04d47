import { Worker } from 'node:worker_threads';
import { assertNever, fromPlainError, SealiftError, toPlainError } from '../errors/index.ts';
import { type AuthChallenge, freeRangeBudget, type HttpRequest } from '../http/index.ts';
import { freeWindowToken } from '../layer/window-token.ts';
import type { FromWorker, Task, ToWorker, WorkerStart } from './messages.ts';

/** What a task may ask or tell while it runs. */
export interface TaskHooks {
  readonly onUnauthorized?: (challenge: AuthChallenge) => Promise<HttpRequest>;
  readonly onProgress?: (bytes: number) => void;
}

export type TaskAnswer = Exclude<FromWorker, { type: 'unauthorized' | 'progress' | 'failed' }>;

/** The failure of one side of a line whose cause lies on the other side. */
export class PeerFailure extends Error {}

interface PendingTask {
  readonly hooks: TaskHooks;
  isCancelled: boolean;
  readonly resolve: (answer: TaskAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker thread seen from the main thread. A crash fails its tasks with `LAYER_WORKER_FAILED`, and nothing else. */
export class WorkerHandle {
  readonly #worker: Worker;
  readonly #start: WorkerStart;
  readonly #pending = new Map<number, PendingTask>();
  #nextId = 1;
  #isDead = false;
  readonly #exit = Promise.withResolvers<void>();
  /** It has loaded the HTTP client, which is worth keeping. */
  isNetworked = false;

  constructor(entry: URL, start: WorkerStart) {
    this.#start = start;
    this.#worker = new Worker(entry, { workerData: start, stdin: false });
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', (code) => {
      this.#die(new Error(`worker exited with code ${code}`));
      this.#exit.resolve();
    });
    this.#worker.unref();
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Resolves when the thread is gone; one that the kernel does not let go of stays. */
  get exited(): Promise<void> {
    return this.#exit.promise;
  }

  /** Whether somebody still wants what the thread is at. */
  get isWanted(): boolean {
    return [...this.#pending.values()].some(({ isCancelled }) => !isCancelled);
  }

  /** Starts a task; `cancel` asks it to stop, which it answers by failing. */
  start(task: Task, hooks: TaskHooks = {}): { readonly answer: Promise<TaskAnswer>; cancel(): void } {
    const id = this.#nextId++;
    const answer = new Promise<TaskAnswer>((resolve, reject) => {
      if (this.#isDead) return reject(new SealiftError('LAYER_WORKER_FAILED', 'layer worker: has ended'));
      this.#pending.set(id, { hooks, isCancelled: false, resolve, reject });
      this.#worker.ref();
      this.#post({ ...task, id });
    });
    return { answer, cancel: () => this.#cancel(id) };
  }

  releaseTarget(directory: string): void {
    this.#post({ type: 'release', directory });
  }

  /**
   * Ends the thread. Its tasks fail at once: one that is stuck in the kernel ends when the kernel lets go of it, and
   * nobody waits for that.
   */
  terminate(reason = new Error('the thread was ended')): void {
    void this.#worker.terminate();
    this.#die(reason);
  }

  #cancel(id: number): void {
    const task = this.#pending.get(id);
    if (task !== undefined) task.isCancelled = true;
    this.#post({ type: 'cancel', id });
  }

  #post(message: ToWorker): void {
    if (!this.#isDead) this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    const task = this.#pending.get(message.id);
    if (task === undefined) return;
    switch (message.type) {
      case 'unauthorized':
        void this.#authorize(message.id, task, message.challenge);
        break;
      case 'progress':
        task.hooks.onProgress?.(message.bytes);
        break;
      case 'failed':
        this.#finish(message.id);
        task.reject(message.byPeer ? new PeerFailure(message.error.message) : fromPlainError(message.error));
        break;
      case 'staged':
      case 'hashed':
      case 'fetched':
      case 'answered':
      case 'called':
        this.#finish(message.id);
        task.resolve(message);
        break;
      default:
        assertNever(message, 'message from a layer worker');
    }
  }

  async #authorize(id: number, task: PendingTask, challenge: AuthChallenge): Promise<void> {
    try {
      if (task.hooks.onUnauthorized === undefined) {
        throw new SealiftError('REGISTRY_AUTH_REJECTED', 'registry: asked for credentials again');
      }
      this.#post({ type: 'authorized', id, request: await task.hooks.onUnauthorized(challenge) });
    } catch (error) {
      this.#post({ type: 'refused', id, error: toPlainError(error) });
    }
  }

  #finish(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
  }

  #die(error: Error): void {
    this.#isDead = true;
    freeWindowToken(this.#start.windowToken, this.#start.workerId);
    freeRangeBudget(this.#start.rangesTaken, this.#start.rangesShare);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    const failure =
      error instanceof SealiftError
        ? error
        : new SealiftError('LAYER_WORKER_FAILED', `layer worker: ${error.message}`, { cause: error });
    for (const task of pending) task.reject(failure);
  }
}
