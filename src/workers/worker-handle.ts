import { Worker } from 'node:worker_threads';
import { assertNever, fromPlainError, SealiftError, toPlainError } from '../errors/index.ts';
import {
  type AuthChallenge,
  type DocumentResponse,
  freeRangeBudget,
  type HttpRequest,
  type TransportSettings,
} from '../http/index.ts';
import {
  type AppliedLayer,
  type ApplyTask,
  type FetchedBlob,
  type FetchHooks,
  type FetchTask,
  freeWindowToken,
  type LineThread,
  PeerFailure,
  type RunningTask,
  type TreeTask,
} from '../layer/index.ts';
import type { LayerImage } from '../layer-formats/index.ts';
import { LaneStalled } from './lane-stalled.ts';
import type { DocumentTask, FromWorker, SentOperation, Task, TaskAnswer, ToWorker, WorkerStart } from './messages.ts';

interface PendingTask {
  readonly hooks: FetchHooks;
  isCancelled: boolean;
  readonly resolve: (answer: TaskAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker thread as the main thread sees it. A crash fails only its own tasks, with `LAYER_WORKER_FAILED`. */
export class WorkerHandle implements LineThread {
  readonly #worker: Worker;
  readonly #start: WorkerStart;
  readonly #pending = new Map<number, PendingTask>();
  #nextId = 1;
  #isDead = false;
  readonly #exit = Promise.withResolvers<void>();
  /** True once the thread has loaded, or is about to load, the HTTP client, which is worth keeping. */
  isNetworked = false;

  /** Throws `LAYER_WORKER_FAILED` when the thread cannot be started. */
  constructor(entry: URL, start: WorkerStart) {
    this.#start = start;
    this.#worker = startThread(entry, start);
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

  /** Resolves when the thread is gone. A thread that hangs in the kernel is not gone, even after `terminate`. */
  get exited(): Promise<void> {
    return this.#exit.promise;
  }

  /** True while the thread has a task that was not cancelled. */
  get isWanted(): boolean {
    return [...this.#pending.values()].some(({ isCancelled }) => !isCancelled);
  }

  /** Resolves when the thread runs code, be it in the middle of a computation; a system call has to return first. */
  async respond(): Promise<void> {
    await this.#worker.getHeapStatistics();
  }

  fetchLayer(task: FetchTask, hooks: FetchHooks): RunningTask<FetchedBlob> {
    return this.#run({ type: 'fetch', ...task }, ({ fetched }) => fetched, hooks);
  }

  applyLayer(task: ApplyTask): RunningTask<AppliedLayer> {
    return this.#run({ type: 'apply', ...task }, ({ staged }) => staged);
  }

  hashImage(task: TreeTask): RunningTask<LayerImage> {
    return this.#run({ type: 'tree', ...task }, ({ image }) => image);
  }

  fetchDocument(task: DocumentTask): RunningTask<DocumentResponse> {
    return this.#run({ type: 'document', ...task }, ({ response }) => response);
  }

  /** Loads the HTTP client before the first request needs it. */
  warm(transport: TransportSettings): RunningTask<void> {
    return this.#run({ type: 'warm', transport }, () => undefined);
  }

  call(call: SentOperation): RunningTask<unknown> {
    return this.#run({ type: 'call', call }, ({ result }) => result);
  }

  releaseTarget(directory: string): void {
    this.#post({ type: 'release', directory });
  }

  /**
   * Ends the thread. Its tasks fail at once, even if the thread hangs in the kernel and stays until that lets it go.
   */
  terminate(reason = new Error('the thread was ended')): void {
    void this.#worker.terminate();
    this.#die(reason);
  }

  #run<Type extends Task['type'], Result>(
    task: Task & { readonly type: Type },
    read: (answer: Extract<TaskAnswer, { type: Type }>) => Result,
    hooks: FetchHooks = {},
  ): RunningTask<Result> {
    const id = this.#nextId++;
    const answer = new Promise<TaskAnswer>((resolve, reject) => {
      if (this.#isDead)
        return reject(
          new SealiftError('LAYER_WORKER_FAILED', 'worker thread: expected it to run a task, but it has ended'),
        );
      this.#pending.set(id, { hooks, isCancelled: false, resolve, reject });
      this.#worker.ref();
      this.#post({ ...task, id });
    });
    const { type } = task;
    return { answer: answer.then((each) => read(expectAnswer(each, type))), cancel: () => this.#cancel(id) };
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
      case 'answered':
        this.#finish(message.id);
        task.resolve(message.answer);
        break;
      default:
        assertNever(message, 'message from a worker');
    }
  }

  async #authorize(id: number, task: PendingTask, challenge: AuthChallenge): Promise<void> {
    try {
      if (task.hooks.onUnauthorized === undefined) {
        throw new SealiftError(
          'REGISTRY_AUTH_REJECTED',
          'registry: expected the request to be accepted, got another demand for credentials',
        );
      }
      const request: HttpRequest = await task.hooks.onUnauthorized(challenge);
      this.#post({ type: 'authorized', id, request });
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
      error instanceof SealiftError || error instanceof LaneStalled
        ? error
        : new SealiftError('LAYER_WORKER_FAILED', `worker thread: ${error.message}`, { cause: error });
    for (const task of pending) task.reject(failure);
  }
}

/** The kernel may refuse a thread for the moment. */
function startThread(entry: URL, start: WorkerStart): Worker {
  try {
    return new Worker(entry, { workerData: start, stdin: false });
  } catch (cause) {
    throw new SealiftError('LAYER_WORKER_FAILED', 'worker thread: it could not be started', { cause });
  }
}

function isAnswerTo<Type extends TaskAnswer['type']>(
  answer: TaskAnswer,
  type: Type,
): answer is Extract<TaskAnswer, { type: Type }> {
  return answer.type === type;
}

function expectAnswer<Type extends TaskAnswer['type']>(
  answer: TaskAnswer,
  type: Type,
): Extract<TaskAnswer, { type: Type }> {
  if (isAnswerTo(answer, type)) return answer;
  throw new SealiftError('INTERNAL', `worker: expected the answer to the task ${type}, got one to ${answer.type}`);
}
