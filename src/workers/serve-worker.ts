import { asSealiftError, assertNever, fromPlainError, SealiftError, toPlainError } from '../errors/index.ts';
import {
  type AuthChallenge,
  createRangeBudget,
  type HttpRequest,
  type RangeBudget,
  type Transport,
  type TransportSettings,
} from '../http/index.ts';
import { PeerFailure } from '../layer/index.ts';
import { ApplyRole, type FetchPorts, FetchRole, runTreeRole } from '../layer/roles/index.ts';
import type { FromWorker, Task, TaskAnswer, ToWorker, WorkerStart } from './messages.ts';

/** The worker's side of its message channel. */
export interface WorkerPort<Called> {
  postMessage(message: FromWorker): void;
  on(event: 'message', listener: (message: ToWorker<Called>) => void): unknown;
}

/** What the entry supplies: the operations of other rooms that run in workers, and named moments for tests. */
export interface WorkerEntry<Called> {
  /** The result is plain data. */
  readonly performOperation: (call: Called) => Promise<unknown>;
  readonly checkpoint: (name: string) => void;
}

/** The life of a worker: messages in, work done synchronously, one answer for each task. */
export function serveWorker<Called>(port: WorkerPort<Called>, start: WorkerStart, entry: WorkerEntry<Called>): void {
  const worker = new ServingWorker(port, start, entry);
  port.on('message', (message) => worker.receive(message));
}

interface RunningTask {
  readonly id: number;
  readonly abort: AbortController;
  authorization:
    | { readonly resolve: (request: HttpRequest) => void; readonly reject: (error: Error) => void }
    | undefined;
}

class ServingWorker<Called> {
  readonly #port: WorkerPort<Called>;
  readonly #start: WorkerStart;
  readonly #entry: WorkerEntry<Called>;
  readonly #running = new Map<number, RunningTask>();
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #rangeBudget: RangeBudget;
  readonly #fetchRole: FetchRole;
  readonly #applyRole: ApplyRole;

  constructor(port: WorkerPort<Called>, start: WorkerStart, entry: WorkerEntry<Called>) {
    this.#port = port;
    this.#start = start;
    this.#entry = entry;
    const { limits, inflate, windowToken, workerId, rangesTaken: taken, rangesShare: share } = start;
    const { checkpoint } = entry;
    this.#rangeBudget = createRangeBudget({ taken, share, maxBytes: limits.maxRangedInFlightBytes });
    this.#applyRole = new ApplyRole({ limits, checkpoint });
    this.#fetchRole = new FetchRole({
      limits,
      inflate,
      windowToken,
      workerId,
      rangeBudget: this.#rangeBudget,
      openTransport: (settings) => this.#transport(settings),
      checkpoint,
    });
  }

  receive(message: ToWorker<Called>): void {
    switch (message.type) {
      case 'authorized':
        this.#running.get(message.id)?.authorization?.resolve(message.request);
        break;
      case 'refused':
        this.#running.get(message.id)?.authorization?.reject(fromPlainError(message.error));
        break;
      case 'cancel':
        this.#running.get(message.id)?.abort.abort();
        break;
      case 'release':
        this.#applyRole.release(message.directory);
        break;
      default:
        void this.#run(message.id, message);
    }
  }

  async #run(id: number, message: Task<Called>): Promise<void> {
    const task: RunningTask = { id, abort: new AbortController(), authorization: undefined };
    this.#running.set(id, task);
    try {
      const answer = await this.#perform(task, message);
      this.#port.postMessage({ type: 'answered', id, answer });
    } catch (error) {
      const byPeer = error instanceof PeerFailure;
      const known = byPeer ? new SealiftError('PULL_CANCELLED', error.message) : asSealiftError(error);
      this.#port.postMessage({ type: 'failed', id, error: toPlainError(known), byPeer });
    } finally {
      this.#running.delete(id);
    }
  }

  #fetchPorts(task: RunningTask): FetchPorts {
    return {
      onUnauthorized: (challenge) => this.#askForAuthorization(task, challenge),
      onProgress: (bytes) => this.#port.postMessage({ type: 'progress', id: task.id, bytes }),
      signal: task.abort.signal,
    };
  }

  async #perform(task: RunningTask, message: Task<Called>): Promise<TaskAnswer> {
    const { type } = message;
    switch (type) {
      case 'fetch':
        return { type, fetched: await this.#fetchRole.run(message, this.#fetchPorts(task)) };
      case 'apply':
        return { type, staged: this.#applyRole.run(message) };
      case 'tree':
        return { type, image: runTreeRole(message, this.#entry.checkpoint) };
      case 'document': {
        const transport = await this.#transport(message.transport);
        const { request, maxBytes } = message;
        return { type, response: await transport.fetchDocument(request, maxBytes, task.abort.signal) };
      }
      case 'warm':
        await this.#transport(message.transport);
        return { type };
      case 'call':
        return { type, result: await this.#entry.performOperation(message.call) };
      default:
        return assertNever(type, 'task');
    }
  }

  #askForAuthorization(task: RunningTask, challenge: AuthChallenge): Promise<HttpRequest> {
    return new Promise((resolve, reject) => {
      task.authorization = { resolve, reject };
      this.#port.postMessage({ type: 'unauthorized', id: task.id, challenge });
    });
  }

  #transport(settings: TransportSettings): Promise<Transport> {
    const key = JSON.stringify(settings);
    const known = this.#transports.get(key);
    if (known !== undefined) return known;
    const { limits } = this.#start;
    const rangeBudget = this.#rangeBudget;
    // undici costs 25 MB: only workers that speak to a network load it.
    const created = import('../http/transport.ts').then(({ createTransport }) =>
      createTransport(settings, { limits, rangeBudget }),
    );
    this.#transports.set(key, created);
    return created;
  }
}
