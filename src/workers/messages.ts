import type { PlainError } from '../errors/index.ts';
import type { AuthChallenge, DocumentResponse, HttpRequest, TransportSettings } from '../http/index.ts';
import type { AppliedLayer, ApplyTask, FetchedBlob, FetchTask, InflateMode, TreeTask } from '../layer/index.ts';
import type { LayerImage } from '../layer-formats/index.ts';
import type { Limits } from '../limits/index.ts';

/** A small document to fetch whole. */
export interface DocumentTask {
  readonly request: HttpRequest;
  readonly transport: TransportSettings;
  readonly maxBytes: number;
}

/** One call of a room's operation, as the pool sends it; the worker's entry knows the types of its tables. */
export interface SentOperation {
  readonly room: string;
  readonly operation: { readonly kind: string; readonly request: unknown };
}

/** Work that one worker does whole and answers once. `Called` is what the receiver takes for an operation. */
export type Task<Called = SentOperation> =
  | ({ readonly type: 'fetch' } & FetchTask)
  | ({ readonly type: 'apply' } & ApplyTask)
  | ({ readonly type: 'tree' } & TreeTask)
  | ({ readonly type: 'document' } & DocumentTask)
  /** Loads the HTTP client before the first request needs it. */
  | { readonly type: 'warm'; readonly transport: TransportSettings }
  | { readonly type: 'call'; readonly call: Called };

export type ToWorker<Called = SentOperation> =
  | (Task<Called> & { readonly id: number })
  /** The answer to `unauthorized`: the request with fresh credentials, or why there is none. */
  | { readonly type: 'authorized'; readonly id: number; readonly request: HttpRequest }
  | { readonly type: 'refused'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'cancel'; readonly id: number }
  /** No further layer goes into this directory of a merged target. */
  | { readonly type: 'release'; readonly directory: string };

/** The result of a task, named after the task. */
export type TaskAnswer =
  | { readonly type: 'fetch'; readonly fetched: FetchedBlob }
  | { readonly type: 'apply'; readonly staged: AppliedLayer }
  | { readonly type: 'tree'; readonly image: LayerImage }
  | { readonly type: 'document'; readonly response: DocumentResponse }
  | { readonly type: 'warm' }
  | { readonly type: 'call'; readonly result: unknown };

export type FromWorker =
  | { readonly type: 'unauthorized'; readonly id: number; readonly challenge: AuthChallenge }
  | { readonly type: 'progress'; readonly id: number; readonly bytes: number }
  | { readonly type: 'answered'; readonly id: number; readonly answer: TaskAnswer }
  /** `byPeer`: this role of a line stopped only because another had failed, or because the line was cancelled. */
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError; readonly byPeer: boolean };

/** What every worker is started with. */
export interface WorkerStart {
  readonly windowToken: SharedArrayBuffer;
  /** How much of the memory for ranges all workers have taken, and how much of it this worker has. */
  readonly rangesTaken: SharedArrayBuffer;
  readonly rangesShare: SharedArrayBuffer;
  /** Positive, and unique in the process. */
  readonly workerId: number;
  readonly limits: Limits;
  readonly inflate: InflateMode;
}
