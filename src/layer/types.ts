import type { AuthChallenge, HttpRequest, TransportSettings } from '../http/index.ts';
import type { LayerSummary } from '../layer-facts/index.ts';
import type { LayerImage, StoredTarget } from '../layer-formats/index.ts';
import type { Digest, LayerCompression } from '../oci/index.ts';

/** What a worker writes the entries of a layer into. */
export type LayerTarget =
  | StoredTarget
  /** One directory that all layers of an image are applied to in order; the writer lives on between the jobs. */
  | { readonly kind: 'merged'; readonly directory: string; readonly privileged: boolean };

/** A part of a file that is open in this process. */
export interface FileRange {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes of a blob come from: a server, or a file of this machine. */
export type BlobOrigin =
  | { readonly request: HttpRequest; readonly transport: TransportSettings }
  | { readonly file: FileRange };

/** Everything a worker needs to turn one blob into one staged layer; plain data. */
export type LayerJob = LayerWork & BlobOrigin;

interface LayerWork {
  readonly blobDigest: Digest;
  readonly blobSize: number;
  readonly compression: LayerCompression;
  readonly diffId: Digest;
  readonly target: LayerTarget;
  /** A new file in state for the layer's path facts; undefined: they are dropped. */
  readonly factsPath: string | undefined;
}

/** What the fetch role answers. */
export interface FetchedBlob {
  /** The format in which the blob was read, which may differ from its media type's. */
  readonly compression: LayerCompression;
}

/** What the apply role answers. */
export interface AppliedLayer {
  readonly facts: LayerSummary;
  readonly layerBytes: number;
  /** Set if the target is an image. */
  readonly image?: LayerImage;
  /** Set for a chained layer: how many names the image's plans and its chained layers have looked at so far. */
  readonly planSteps?: number;
}

/** A layer that a line has accepted: size, blob digest, diffID and end of archive all held. It is not published. */
export interface StagedLayer extends AppliedLayer {
  /** Set if the blob was not in the format that its media type names: one fragment that says so. */
  readonly mislabelled?: string;
}

/** Callbacks of a layer's fetch role. */
export interface FetchHooks {
  /** Returns the request to go on with after a 401. When absent, a 401 fails with `REGISTRY_AUTH_REJECTED`. */
  readonly onUnauthorized?: (challenge: AuthChallenge) => Promise<HttpRequest>;
  /** Called now and then with the number of bytes received so far. */
  readonly onProgress?: (bytes: number) => void;
}

export interface StageOptions extends FetchHooks {
  readonly signal?: AbortSignal | undefined;
}

/** Turns the blobs of authorised images into staged layers. */
export interface LayerStager {
  /**
   * Fetches, verifies and applies one layer as soon as a pair of threads has a slot for it. Throws the failure of the
   * role where it began, or `PULL_CANCELLED`.
   */
  stage(job: LayerJob, options: StageOptions): Promise<StagedLayer>;
  /** Opens a line for all layers of one merged target, one after the other. The caller closes it. */
  openLine(directory: string, signal: AbortSignal): Promise<LayerLine>;
}

/** A pair of threads kept for the layers of one merged target, whose writer lives in the pair's applier. */
export interface LayerLine {
  stage(job: LayerJob, options: StageOptions): Promise<StagedLayer>;
  close(): void;
}

/** What the fetch role is started with: the blob, and the ring that it fills. */
export interface FetchTask {
  readonly job: LayerJob;
  readonly ring: SharedArrayBuffer;
}

/** What the apply role is started with: the layer, and the ring that it drains. */
export interface ApplyTask {
  readonly job: LayerJob;
  readonly ring: SharedArrayBuffer;
  /** Receives the image's blocks when a thread of its own makes the hash tree. */
  readonly treeRing: SharedArrayBuffer | undefined;
}

/**
 * What the tree role is started with: the image at `path`, whose end the tree goes to, and the ring with its blocks.
 */
export interface TreeTask {
  readonly path: string;
  readonly ring: SharedArrayBuffer;
}

export interface RunningTask<Result> {
  readonly answer: Promise<Result>;
  /** Asks the task to stop, which it answers by failing. */
  cancel(): void;
}

/**
 * A worker thread that can take any role of a line. A role that fails because of another rejects with `PeerFailure`.
 */
export interface LineThread {
  readonly isDead: boolean;
  fetchLayer(task: FetchTask, hooks: FetchHooks): RunningTask<FetchedBlob>;
  applyLayer(task: ApplyTask): RunningTask<AppliedLayer>;
  hashImage(task: TreeTask): RunningTask<LayerImage>;
  /** No further layer goes into this directory of a merged target. */
  releaseTarget(directory: string): void;
}
