import type {
  AuthChallenge,
  BlobSource,
  HttpRequest,
  RangeBudget,
  Transport,
  TransportSettings,
} from '../../http/index.ts';
import type { Limits } from '../../limits/index.ts';
import { collectYoungGarbage } from '../../platform/index.ts';
import type { InflateMode } from '../decompress/index.ts';
import { runFetchLine } from '../fetch-line.ts';
import { FetchQueue } from '../fetch-queue.ts';
import { createFileSource } from '../file-source.ts';
import { HeldBytes } from '../held-bytes.ts';
import { Ring } from '../ring.ts';
import type { FetchedBlob, FetchTask, LayerJob } from '../types.ts';
import { createWindowGate } from '../window-token.ts';
import { createWireGauge } from '../wire-gauge.ts';

/** Progress is reported, and young garbage collected, each time this many bytes have been received. */
const STEP_BYTES = 1024 * 1024;

export interface FetchRoleOptions {
  readonly limits: Limits;
  readonly inflate: InflateMode;
  readonly windowToken: SharedArrayBuffer;
  readonly workerId: number;
  readonly rangeBudget: RangeBudget;
  /** Loads the HTTP client with the first call. */
  readonly openTransport: (settings: TransportSettings) => Promise<Transport>;
  readonly checkpoint: (name: string) => void;
}

/** The caller's side of one fetch. */
export interface FetchPorts {
  readonly onUnauthorized: (challenge: AuthChallenge) => Promise<HttpRequest>;
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Fetches blobs one after the other into rings, the next request being open ahead. */
export class FetchRole {
  readonly #options: FetchRoleOptions;
  readonly #queue = new FetchQueue();
  readonly #isWireBound = createWireGauge({
    now: () => performance.now(),
    idleMs: () => performance.eventLoopUtilization().idle,
  });

  constructor(options: FetchRoleOptions) {
    this.#options = options;
  }

  /** Throws `PeerFailure` if the ring is aborted, and otherwise the blob's own failure after aborting the ring. */
  async run(
    { job, ring: ringMemory }: FetchTask,
    { onUnauthorized, onProgress, signal }: FetchPorts,
  ): Promise<FetchedBlob> {
    const { limits, inflate, windowToken: memory, workerId, rangeBudget: budget, checkpoint } = this.#options;
    const ring = new Ring(ringMemory);
    const slot = this.#queue.join();
    const maxWindowLog = limits.maxZstdWindowLog;
    const windowGate = createWindowGate({
      memory,
      workerId,
      maxWindowLog,
      throwIfCancelled: () => ring.throwIfAborted(),
    });
    try {
      const source = await this.#sourceOf(job, onUnauthorized);
      checkpoint('layer-fetch');
      const fetched = await runFetchLine(job, ring.writer(), {
        source,
        onBytes: countSteps((bytes) => {
          onProgress(bytes);
          collectYoungGarbage();
        }),
        onAhead: countSteps(collectYoungGarbage),
        blockedMs: () => ring.blockedMs,
        windowGate,
        limits,
        inflate,
        signal,
        queueSlot: slot,
        held: new HeldBytes({ budget, isWireBound: this.#isWireBound }),
      });
      checkpoint('layer-fetched');
      return fetched;
    } catch (error) {
      ring.abort('peer-failed');
      throw error;
    } finally {
      slot.end();
    }
  }

  async #sourceOf(job: LayerJob, onUnauthorized: FetchPorts['onUnauthorized']): Promise<BlobSource> {
    if ('file' in job) return createFileSource(job.file);
    const transport = await this.#options.openTransport(job.transport);
    return transport.blobSource({ request: job.request, size: job.blobSize, onUnauthorized });
  }
}

function countSteps(onStep: (bytes: number) => void): (bytes: number) => void {
  let total = 0;
  let reported = 0;
  return (bytes) => {
    total += bytes;
    if (total - reported < STEP_BYTES) return;
    reported = total;
    onStep(total);
  };
}
