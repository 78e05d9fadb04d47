import type { PlainError } from '../errors/index.ts';
import type { AuthChallenge, DocumentResponse, HttpRequest, TransportSettings } from '../http/index.ts';
import type { LayerJob, StagedImage, StagedLayer } from '../layer/types.ts';
import type { Limits } from '../limits/index.ts';

/** Work that is done whole in one worker and answered once. `operation` is plain data that the entry's table knows. */
export type Task =
  /** One part of a line: the network's or the layer's. */
  | { readonly type: 'line'; readonly role: 'fetch'; readonly job: LayerJob; readonly ring: SharedArrayBuffer }
  | {
      readonly type: 'line';
      readonly role: 'apply';
      readonly job: LayerJob;
      readonly ring: SharedArrayBuffer;
      /** Where the blocks of an image go besides its file, when it is to have a tree. */
      readonly treeRing: SharedArrayBuffer | undefined;
    }
  /** The blocks of the image at `path` come through the ring; their tree goes behind the image. */
  | { readonly type: 'tree'; readonly path: string; readonly ring: SharedArrayBuffer }
  | {
      readonly type: 'document';
      readonly request: HttpRequest;
      readonly transport: TransportSettings;
      readonly maxBytes: number;
    }
  /** Loads the HTTP client ahead of the first request. */
  | { readonly type: 'warm'; readonly transport: TransportSettings }
  | { readonly type: 'call'; readonly operation: unknown };

export type ToWorker =
  | (Task & { readonly id: number })
  /** The answer to `unauthorized`: the request with fresh credentials, or why there is none. */
  | { readonly type: 'authorized'; readonly id: number; readonly request: HttpRequest }
  | { readonly type: 'refused'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'cancel'; readonly id: number }
  /** No further layer goes into this directory of a merged target. */
  | { readonly type: 'release'; readonly directory: string };

export type FromWorker =
  | { readonly type: 'unauthorized'; readonly id: number; readonly challenge: AuthChallenge }
  | { readonly type: 'progress'; readonly id: number; readonly bytes: number }
  | { readonly type: 'staged'; readonly id: number; readonly staged: StagedLayer }
  | { readonly type: 'hashed'; readonly id: number; readonly image: StagedImage }
  | { readonly type: 'fetched'; readonly id: number }
  | { readonly type: 'answered'; readonly id: number; readonly response: DocumentResponse }
  | { readonly type: 'called'; readonly id: number; readonly result: unknown }
  /** `byPeer`: this side only noticed that the other one had failed or that all was cancelled. */
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError; readonly byPeer: boolean };

/** What every worker is started with. */
export interface WorkerStart {
  readonly windowToken: SharedArrayBuffer;
  /** What all workers have taken of the memory for ranges, and what this one has. */
  readonly rangesTaken: SharedArrayBuffer;
  readonly rangesShare: SharedArrayBuffer;
  /** Positive, and of no other worker of the process. */
  readonly workerId: number;
  readonly limits: Limits;
}
