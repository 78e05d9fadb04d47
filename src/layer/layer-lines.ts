import { SealiftError } from '../errors/index.ts';
import { abortReason, blamesBytes } from './blames-bytes.ts';
import { describeMislabelled } from './decompress/index.ts';
import { type LinePair, LinePairs, type LineSlot } from './line-pairs.ts';
import { PeerFailure, type RingAbortReason } from './peer-failure.ts';
import { createRingMemory, Ring } from './ring.ts';
import type { LayerJob, LayerLine, LayerStager, LineThread, RunningTask, StagedLayer, StageOptions } from './types.ts';

/** Work in some threads that a signal may cancel. */
export interface CancellableWork<Thread, Result> {
  readonly signal: AbortSignal | undefined;
  readonly threads: readonly Thread[];
  readonly cancel: () => void;
  readonly answer: Promise<Result>;
}

/** The owner of the threads, as the lines of layers need it. */
export interface LineThreads<Thread extends LineThread> {
  /**
   * Lends a thread until `release`. A networked one loads the HTTP client when it fetches. Throws `LAYER_WORKER_FAILED`
   * when no thread can be started.
   */
  acquire(kind: 'networked' | 'plain'): Thread;
  release(thread: Thread): void;
  /** Waits for the answer, and ends threads that do not obey a cancel. Throws `PULL_CANCELLED` after an abort. */
  awaitCancellable<Result>(work: CancellableWork<Thread, Result>): Promise<Result>;
}

export interface LayerLinesOptions<Thread extends LineThread> {
  /** Cores to keep busy; every two of them share a pair of threads. */
  readonly cores: number;
  /** Hash trees are made by a third thread of the pair and not by the one that writes the image. */
  readonly treeThread: boolean;
  readonly threads: LineThreads<Thread>;
}

/**
 * The main thread's side of the lines: starts each role in its thread, joins the roles by rings, and never sees a byte.
 * Why pairs, which thread may block, and where the hash tree is made: docs/adr/0011-ring-and-roles.md.
 */
export class LayerLines<Thread extends LineThread> implements LayerStager {
  readonly #treeThread: boolean;
  readonly #threads: LineThreads<Thread>;
  readonly #pairs: LinePairs<Thread>;
  readonly #rings: SharedArrayBuffer[] = [];

  constructor({ cores, treeThread, threads }: LayerLinesOptions<Thread>) {
    this.#treeThread = treeThread;
    this.#threads = threads;
    this.#pairs = new LinePairs(Math.max(1, Math.floor(cores / 2)), {
      open: () => openPair(threads),
      close: ({ fetcher, applier, hasher }) => {
        for (const thread of [fetcher, applier, hasher]) if (thread !== undefined) threads.release(thread);
      },
    });
  }

  async stage(job: LayerJob, options: StageOptions): Promise<StagedLayer> {
    const slot = await this.#reserve(job.blobSize, options.signal);
    try {
      return await this.#run(job, slot, options);
    } finally {
      slot.ended();
    }
  }

  async openLine(directory: string, signal: AbortSignal): Promise<LayerLine> {
    // The size of no real blob: no other layer gets a slot on this pair.
    const slot = await this.#reserve(Number.POSITIVE_INFINITY, signal);
    return {
      // The slot is kept between layers, so that no other layer comes between.
      stage: (job, options) => this.#run(job, { pair: slot.pair, ...NO_NEXT }, options),
      close: () => {
        slot.pair.applier.releaseTarget(directory);
        slot.ended();
      },
    };
  }

  /** Gives the memory of unused rings back. Call when no thread is left. */
  dropRings(): void {
    this.#rings.length = 0;
  }

  async #reserve(blobBytes: number, signal: AbortSignal | undefined): Promise<LineSlot<Thread>> {
    try {
      return await this.#pairs.reserve(blobBytes, signal);
    } catch (error) {
      throw signal?.aborted === true ? pullCancelled(signal) : error;
    }
  }

  async #run(job: LayerJob, slot: RunningSlot<Thread>, options: StageOptions): Promise<StagedLayer> {
    const { fetcher, applier } = slot.pair;
    const tree = this.#openTree(job, slot.pair);
    const ring = this.#takeRing();
    const rings = tree === undefined ? [ring] : [ring, tree.ring];
    const threads = tree === undefined ? [fetcher, applier] : [fetcher, applier, tree.hasher];
    const fetching = stoppable(fetcher.fetchLayer({ job, ring }, withProgress(job, slot, options)));
    const applying = applier.applyLayer({ job, ring, treeRing: tree?.ring });
    const hashing = tree?.hasher.hashImage({ path: tree.path, ring: tree.ring });
    const cancel = (): void => {
      abortRings(rings, 'cancelled');
      for (const task of [fetching, applying, hashing]) task?.cancel();
    };
    const fetched = wakingPeers(fetching, rings);
    void fetched.then(slot.fetched, slot.fetched);
    const hashed = hashing === undefined ? Promise.resolve(undefined) : wakingPeers(hashing, rings);
    for (const { answer } of hashing === undefined ? [applying] : [applying, hashing]) {
      // A fetch that waits for its server does not look at the ring.
      answer.catch((error: unknown) => blamesBytes(error) || fetching.stop());
    }
    const answer = settleAll([fetched, wakingPeers(applying, rings), hashed]);
    try {
      const work = { signal: options.signal, threads, cancel, answer };
      const [{ compression }, applied, image] = await this.#threads.awaitCancellable(work);
      const mislabelled = describeMislabelled(job.compression, compression);
      return {
        ...applied,
        ...(image === undefined ? {} : { image }),
        ...(mislabelled === undefined ? {} : { mislabelled }),
      };
    } finally {
      // A thread that was ended may still be using its ring for a moment, so that memory is not used again.
      if (!threads.some(({ isDead }) => isDead)) this.#rings.push(...rings);
    }
  }

  /** The third role of a line, if it has a thread of its own. */
  #openTree({ target }: LayerJob, pair: LinePair<Thread>) {
    if (!this.#treeThread || target.kind !== 'image' || !target.verity) return undefined;
    pair.hasher ??= this.#threads.acquire('plain');
    return { hasher: pair.hasher, path: target.path, ring: this.#takeRing() };
  }

  #takeRing(): SharedArrayBuffer {
    const memory = this.#rings.pop() ?? createRingMemory();
    new Ring(memory).reset();
    return memory;
  }
}

/** The part of a slot that a running line uses. */
type RunningSlot<Thread extends LineThread> = Pick<LineSlot<Thread>, 'pair' | 'noteMissing' | 'fetched'>;

const NO_NEXT = { noteMissing: (): void => {}, fetched: (): void => {} };

/** Acquires both threads of a pair, or none. */
function openPair<Thread extends LineThread>(threads: LineThreads<Thread>): LinePair<Thread> {
  const fetcher = threads.acquire('networked');
  try {
    return { fetcher, applier: threads.acquire('plain') };
  } catch (error) {
    threads.release(fetcher);
    throw error;
  }
}

/** The error for work whose signal was aborted. */
export function pullCancelled(signal: AbortSignal): SealiftError {
  return new SealiftError('PULL_CANCELLED', 'pull: cancelled', { cause: signal.reason });
}

function withProgress({ blobSize }: LayerJob, slot: Pick<RunningSlot<LineThread>, 'noteMissing'>, hooks: StageOptions) {
  return {
    ...hooks,
    onProgress: (bytes: number): void => {
      hooks.onProgress?.(bytes);
      slot.noteMissing(blobSize - bytes);
    },
  };
}

function abortRings(rings: readonly SharedArrayBuffer[], reason: RingAbortReason): void {
  for (const memory of rings) new Ring(memory).abort(reason);
}

/** A fetch that ends by `stop` rejects with `PeerFailure`, so that the failure of the other role is the one reported. */
function stoppable<Result>(task: RunningTask<Result>): RunningTask<Result> & { stop(): void } {
  let isStopped = false;
  const asEcho = (error: unknown): never => {
    const isEcho = isStopped && error instanceof SealiftError && error.code === 'PULL_CANCELLED';
    throw isEcho ? new PeerFailure('fetch: stopped after another role had failed') : error;
  };
  return {
    answer: task.answer.catch(asEcho),
    cancel: () => task.cancel(),
    stop: () => {
      isStopped = true;
      task.cancel();
    },
  };
}

/** The task's answer; a failure aborts the rings first, so that no other role waits for this one. */
function wakingPeers<Result>(task: RunningTask<Result>, rings: readonly SharedArrayBuffer[]): Promise<Result> {
  return task.answer.catch((error: unknown) => {
    abortRings(rings, abortReason(error));
    throw error;
  });
}

/** Waits until every role has ended. Throws the first failure that is not the echo of another role's failure. */
async function settleAll<Answers extends readonly Promise<unknown>[] | []>(answers: Answers) {
  throwFirstCause(await Promise.allSettled(answers));
  return Promise.all(answers);
}

/** The fetch role comes first: when it and the apply role both failed, the digest of the blob decides. */
function throwFirstCause(results: readonly PromiseSettledResult<unknown>[]): void {
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const cause = errors.find((error) => !(error instanceof PeerFailure)) ?? errors[0];
  if (cause === undefined) return;
  if (cause instanceof PeerFailure) throw new SealiftError('LAYER_WORKER_FAILED', `layer: ${cause.message}`);
  throw cause;
}
