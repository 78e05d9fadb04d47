import { asSealiftError, assertNever, fromPlainError, SealiftError, toPlainError } from '../errors/index.ts';
import {
  type AuthChallenge,
  createRangeBudget,
  type HttpRequest,
  type RangeBudget,
  type Transport,
  type TransportSettings,
} from '../http/index.ts';
import { createApplyLine } from '../layer/apply-line.ts';
import { type FetchLinePorts, runFetchLine } from '../layer/fetch-line.ts';
import { FetchTurns } from '../layer/fetch-turns.ts';
import { HeldBytes } from '../layer/held-bytes.ts';
import { Ring, RingAborted, SLOT_BYTES } from '../layer/ring.ts';
import { streamFile } from '../layer/stream-file.ts';
import type { BlobOrigin, LayerTarget, StagedImage, StagedLayer } from '../layer/types.ts';
import { createWindowGate } from '../layer/window-token.ts';
import { createWireGauge } from '../layer/wire-gauge.ts';
import { collectAllGarbage, collectYoungGarbage } from '../platform/index.ts';
import {
  type BlockFeed,
  createDirectoryWriter,
  createErofsWriter,
  createLowerView,
  createVerityTreeWriter,
  type DirectoryWriter,
  type ErofsWriter,
  type LowerView,
  type VerityTreeWriter,
} from '../unpack/index.ts';
import type { FromWorker, Task, ToWorker, WorkerStart } from './messages.ts';

/** Progress is told, and young garbage collected, each time so many bytes have come. */
const STEP_BYTES = 1024 * 1024;

/** A layer of so many entries leaves megabytes behind; collecting them takes some 10 ms. */
const MANY_ENTRIES = 2_000;

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

type FetchTask = Extract<Task, { role: 'fetch' }>;
type ApplyTask = Extract<Task, { role: 'apply' }>;
type TreeTask = Extract<Task, { type: 'tree' }>;

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
  readonly #fetchTurns = new FetchTurns();
  readonly #rangeBudget: RangeBudget;
  readonly #isWireBound = createWireGauge({
    now: () => performance.now(),
    idleMs: () => performance.eventLoopUtilization().idle,
  });
  #entriesSinceCollection = 0;

  constructor(port: WorkerPort, start: WorkerStart, entry: WorkerEntry) {
    this.#port = port;
    this.#start = start;
    this.#entry = entry;
    const { limits, rangesTaken: taken, rangesShare: share } = start;
    this.#rangeBudget = createRangeBudget({ taken, share, maxBytes: limits.maxRangedInFlightBytes });
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
        return message.role === 'fetch' ? this.#fetchLayer(task, message) : this.#applyLayer(task, message);
      case 'tree':
        return this.#hashImage(task, message);
      case 'document': {
        const transport = await this.#transport(message.transport);
        const response = await transport.fetchDocument(message.request, message.maxBytes, task.abort.signal);
        return { type: 'answered', id, response };
      }
      case 'warm':
        await this.#transport(message.transport);
        return { type: 'called', id, result: undefined };
      case 'call':
        return { type: 'called', id, result: await this.#entry.performOperation(message.operation) };
      default:
        return assertNever(message, 'task');
    }
  }

  async #fetchLayer(task: RunningTask, { job, ring: ringMemory }: FetchTask): Promise<FromWorker> {
    const { limits, windowToken: memory, workerId } = this.#start;
    const ring = new Ring(ringMemory);
    const turn = this.#fetchTurns.take();
    const windowGate = createWindowGate({
      memory,
      workerId,
      maxWindowLog: limits.maxZstdWindowLog,
      throwIfCancelled: () => ring.throwIfAborted(),
    });
    try {
      const streamBlob = await this.#openOrigin(job);
      this.#entry.checkpoint('layer-fetch');
      await runFetchLine(job, ring.writer(), {
        streamBlob,
        onUnauthorized: (challenge) => this.#askForAuthorization(task, challenge),
        onBytes: countSteps((bytes) => {
          this.#port.postMessage({ type: 'progress', id: task.id, bytes });
          collectYoungGarbage();
        }),
        onAhead: countSteps(collectYoungGarbage),
        blockedMs: () => ring.blockedMs,
        windowGate,
        limits,
        signal: task.abort.signal,
        turn,
        held: new HeldBytes({ budget: this.#rangeBudget, isWireBound: this.#isWireBound }),
      });
      this.#entry.checkpoint('layer-fetched');
    } catch (error) {
      ring.abort('peer-failed');
      throw error;
    } finally {
      turn.end();
    }
    return { type: 'fetched', id: task.id };
  }

  async #openOrigin(origin: BlobOrigin): Promise<FetchLinePorts['streamBlob']> {
    if ('file' in origin) return (stream) => streamFile(origin.file, stream);
    const transport = await this.#transport(origin.transport);
    return (stream) => transport.streamBlob({ ...stream, request: origin.request });
  }

  #applyLayer({ id }: RunningTask, { job, ring: ringMemory, treeRing: treeMemory }: ApplyTask): FromWorker {
    const { target, diffId } = job;
    const ring = new Ring(ringMemory);
    const treeRing = treeMemory === undefined ? undefined : new Ring(treeMemory);
    const tree = treeRing === undefined && hasTree(target) ? this.#openTree(target.path) : undefined;
    let writer: LayerWriter | undefined;
    let isAccepted = false;
    try {
      writer = this.#writer(target, tree === undefined ? treeRing?.writer() : feedAtOnce(tree));
      this.#entry.checkpoint('layer-apply');
      const line = createApplyLine(diffId, this.#start.limits, writer);
      ring.drainTo(line);
      const staged = { facts: writer.facts(), layerBytes: line.layerBytes(), ...this.#describeImage(writer, tree) };
      this.#entry.checkpoint('layer-applied');
      isAccepted = true;
      this.#collectGarbageOf(staged.facts.entries);
      return { type: 'staged', id, staged };
    } finally {
      ring.abort('peer-failed');
      // The tree of what was accepted may still have blocks to come.
      if (!isAccepted) treeRing?.abort('peer-failed');
      const isKept = isAccepted && target.kind === 'merged';
      if (!isKept) writer?.close();
      if (!isKept && target.kind === 'merged') this.#mergedWriters.delete(target.directory);
    }
  }

  #hashImage({ id }: RunningTask, { path, ring }: TreeTask): FromWorker {
    const writer = this.#openTree(path);
    new Ring(ring).drainTo(writer);
    return { type: 'hashed', id, image: this.#describeTree(writer) };
  }

  #openTree(path: string): VerityTreeWriter {
    const writer = createVerityTreeWriter(path);
    this.#entry.checkpoint('layer-tree');
    return writer;
  }

  #describeTree(writer: VerityTreeWriter): StagedImage {
    const { rootHash, hashOffset, fileBytes: bytes } = writer.result();
    this.#entry.checkpoint('layer-hashed');
    return { bytes, verity: { rootHash, hashOffset } };
  }

  #describeImage(writer: LayerWriter, tree: VerityTreeWriter | undefined): Pick<StagedLayer, 'image'> {
    if (!('result' in writer)) return {};
    return { image: tree === undefined ? { bytes: writer.result().imageBytes } : this.#describeTree(tree) };
  }

  #collectGarbageOf(entries: number): void {
    this.#entriesSinceCollection += entries;
    if (this.#entriesSinceCollection < MANY_ENTRIES) return;
    this.#entriesSinceCollection = 0;
    setImmediate(collectAllGarbage);
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

  #writer(target: LayerTarget, blocks: BlockFeed | undefined): LayerWriter {
    const { limits } = this.#start;
    switch (target.kind) {
      case 'overlay': {
        const { directory: root, lowers } = target;
        return createDirectoryWriter({ root, form: 'overlay', privileged: true, ...lowerOf(lowers), limits });
      }
      case 'image': {
        const { path, lowers } = target;
        return createErofsWriter({ path, ...lowerOf(lowers), limits, blocks });
      }
      case 'merged':
        return this.#mergedWriter(target.directory, target.privileged);
      default:
        return assertNever(target, 'layer target');
    }
  }

  #mergedWriter(root: string, privileged: boolean): DirectoryWriter {
    const known = this.#mergedWriters.get(root);
    if (known !== undefined) {
      known.beginLayer();
      return known;
    }
    const { limits } = this.#start;
    const writer = createDirectoryWriter({ root, form: 'merged', privileged, limits });
    this.#mergedWriters.set(root, writer);
    return writer;
  }
}

type LayerWriter = DirectoryWriter | ErofsWriter;

function lowerOf(lowers: readonly string[] | undefined): { readonly lower?: LowerView } {
  return lowers === undefined ? {} : { lower: createLowerView(lowers) };
}

function hasTree(target: LayerTarget): target is Extract<LayerTarget, { kind: 'image' }> {
  return target.kind === 'image' && target.verity;
}

/** Blocks are hashed by the thread that writes them. */
function feedAtOnce(tree: VerityTreeWriter): BlockFeed {
  const memory = Buffer.allocUnsafeSlow(SLOT_BYTES);
  return {
    acquire: () => memory,
    publish: (length) => tree.write(memory.subarray(0, length)),
    end: () => tree.end(),
  };
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
