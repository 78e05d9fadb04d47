import type { ByteSink } from '../bytes/index.ts';
import { asSealiftError, assertNever, fromPlainError, SealiftError, toPlainError } from '../errors/index.ts';
import type { AuthChallenge, HttpRequest, Transport, TransportSettings } from '../http/index.ts';
import { createDirectoryWriter, createLowerView, type DirectoryWriter } from '../unpack/index.ts';
import { createApplyLine } from './apply-line.ts';
import { collectYoungGarbage } from './collect-garbage.ts';
import { runFetchLine } from './fetch-line.ts';
import type { FromWorker, Task, ToWorker, WorkerStart } from './messages.ts';
import { Ring, RingAborted, type SlotWriter, slotsInto } from './ring.ts';
import type { LayerJob, LayerTarget } from './types.ts';

/** Progress is told, and young garbage collected, each time so many bytes have come. */
const STEP_BYTES = 4 * 1024 * 1024;

/** The worker's side of its message channel. */
export interface WorkerPort {
  postMessage(message: FromWorker): void;
  on(event: 'message', listener: (message: ToWorker) => void): unknown;
}

/** What the entry brings: the operations of other rooms that run in workers, and named moments for tests. */
export interface WorkerEntry {
  readonly performOperation: (operation: unknown) => Promise<unknown>;
  readonly checkpoint: (name: string) => void;
}

/** The life of a layer worker: messages in, work done synchronously, one answer for each task. */
export function serveWorker(port: WorkerPort, start: WorkerStart, entry: WorkerEntry): void {
  const worker = new LayerWorker(port, start, entry);
  port.on('message', (message) => worker.receive(message));
}

interface RunningTask {
  readonly id: number;
  readonly abort: AbortController;
  authorization:
    | { readonly resolve: (request: HttpRequest) => void; readonly reject: (error: Error) => void }
    | undefined;
}

class LayerWorker {
  readonly #port: WorkerPort;
  readonly #start: WorkerStart;
  readonly #entry: WorkerEntry;
  readonly #running = new Map<number, RunningTask>();
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #mergedWriters = new Map<string, DirectoryWriter>();

  constructor(port: WorkerPort, start: WorkerStart, entry: WorkerEntry) {
    this.#port = port;
    this.#start = start;
    this.#entry = entry;
  }

  receive(message: ToWorker): void {
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
        this.#mergedWriters.get(message.directory)?.close();
        this.#mergedWriters.delete(message.directory);
        break;
      default:
        void this.#run(message.id, message);
    }
  }

  async #run(id: number, message: Task): Promise<void> {
    const task: RunningTask = { id, abort: new AbortController(), authorization: undefined };
    this.#running.set(id, task);
    try {
      this.#port.postMessage(await this.#perform(task, message));
    } catch (error) {
      const byPeer = error instanceof RingAborted;
      const known = byPeer ? new SealiftError('PULL_CANCELLED', error.message) : asSealiftError(error);
      this.#port.postMessage({ type: 'failed', id, error: toPlainError(known), byPeer });
    } finally {
      this.#running.delete(id);
    }
  }

  async #perform(task: RunningTask, message: Task): Promise<FromWorker> {
    const { id } = task;
    switch (message.type) {
      case 'line':
        if (message.role === 'whole') return this.#stageWhole(task, message.job);
        if (message.role === 'fetch') return this.#fetchLayer(task, message.job, new Ring(message.ring));
        return this.#applyLayer(task, message.job, new Ring(message.ring));
      case 'document': {
        const transport = await this.#transport(message.transport);
        const response = await transport.fetchDocument(message.request, message.maxBytes, task.abort.signal);
        return { type: 'answered', id, response };
      }
      case 'call':
        return { type: 'called', id, result: await this.#entry.performOperation(message.operation) };
      default:
        return assertNever(message, 'task');
    }
  }

  #stageWhole(task: RunningTask, job: LayerJob): Promise<FromWorker> {
    return this.#applyWith(task, job, (line) => this.#fetchInto(task, job, slotsInto(line), () => 0));
  }

  async #fetchLayer(task: RunningTask, job: LayerJob, ring: Ring): Promise<FromWorker> {
    try {
      await this.#fetchInto(task, job, ring.writer(), () => ring.blockedMs);
    } catch (error) {
      ring.abort('peer-failed');
      throw error;
    }
    return { type: 'fetched', id: task.id };
  }

  #applyLayer(task: RunningTask, job: LayerJob, ring: Ring): Promise<FromWorker> {
    return this.#applyWith(task, job, (line) => {
      this.#entry.checkpoint('layer-apply');
      ring.drainTo(line);
    });
  }

  async #applyWith(
    { id }: RunningTask,
    job: LayerJob,
    feed: (line: ByteSink) => void | Promise<void>,
  ): Promise<FromWorker> {
    const { target } = job;
    const writer = this.#writer(target);
    let isAccepted = false;
    try {
      const line = createApplyLine(job.diffId, this.#start.limits, writer);
      await feed(line);
      const staged = { facts: writer.facts(), layerBytes: line.layerBytes() };
      isAccepted = true;
      return { type: 'staged', id, staged };
    } finally {
      if (!isAccepted) {
        this.#mergedWriters.delete(target.directory);
        writer.close();
      }
    }
  }

  async #fetchInto(task: RunningTask, job: LayerJob, slots: SlotWriter, blockedMs: () => number): Promise<void> {
    const transport = await this.#transport(job.transport);
    this.#entry.checkpoint('layer-fetch');
    await runFetchLine(job, slots, {
      streamBlob: (stream) => transport.streamBlob(stream),
      onUnauthorized: (challenge) => this.#askForAuthorization(task, challenge),
      onBytes: countSteps((bytes) => {
        this.#port.postMessage({ type: 'progress', id: task.id, bytes });
        collectYoungGarbage();
      }),
      blockedMs,
      windowToken: this.#start.windowToken,
      limits: this.#start.limits,
      signal: task.abort.signal,
    });
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
    // undici costs 25 MB: only workers that speak to a network load it.
    const created = import('../http/transport.ts').then(({ createTransport }) => createTransport(settings, { limits }));
    this.#transports.set(key, created);
    return created;
  }

  #writer(target: LayerTarget): DirectoryWriter {
    const { limits } = this.#start;
    const { directory: root } = target;
    if (target.kind === 'overlay') {
      const lower = target.lowers === undefined ? {} : { lower: createLowerView(target.lowers) };
      return createDirectoryWriter({ root, form: 'overlay', privileged: true, ...lower, limits });
    }
    const known = this.#mergedWriters.get(root);
    if (known !== undefined) {
      known.beginLayer();
      return known;
    }
    const writer = createDirectoryWriter({ root, form: 'merged', privileged: target.privileged, limits });
    this.#mergedWriters.set(root, writer);
    return writer;
  }
}

function countSteps(onStep: (bytes: number) => void): (bytes: number) => void {
  let total = 0;
  let told = 0;
  return (bytes) => {
    total += bytes;
    if (total - told < STEP_BYTES) return;
    told = total;
    onStep(total);
  };
}
