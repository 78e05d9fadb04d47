import type { SealiftError } from '../errors/index.ts';

/** The calls of one owner, such as a pull, which may compute for seconds. Two lanes with one description differ. */
export interface OwnLane {
  /** What the lane was made for, such as `pull`; it shows in a debugger. */
  readonly owner: string;
  /** True: only calls of this lane use its disk, so a thread that hangs there says nothing about the store. */
  readonly hasOwnDisk?: boolean;
}

/**
 * Calls of one lane run one after the other on one thread, which other lanes do not wait for. `foreground`: short calls
 * of all callers. `background`: work that may take long and that no pull waits for.
 */
export type LaneName = 'foreground' | 'background' | OwnLane;

/** When an operation counts as stalled. */
export interface Deadline {
  readonly ms: number;
  /**
   * What has to end within `ms`. A system call: a disk that answers has no deadline, and neither the time that the
   * operation waits in its lane nor the time that it computes counts. The whole operation: from the request to the
   * answer, for a caller that is given up itself after that time.
   */
  readonly covers: 'system-call' | 'operation';
  /** Makes the error for an operation whose thread was given up after `ms`. */
  readonly stalled: (ms: number) => SealiftError;
}

export interface CallOptions {
  /** The foreground when absent. */
  readonly lane?: LaneName;
  /** No deadline when absent. */
  readonly deadline?: Deadline | undefined;
  /** Ends the wait with `PULL_CANCELLED`. A thread that works on after that is ended a little later. */
  readonly signal?: AbortSignal | undefined;
}

/** What a function of a table takes. */
export type RequestOf<Operation> = Operation extends (request: infer Request) => unknown ? Request : never;

/** What a call of a function of a table resolves to. */
export type ResultOf<Operation> = Operation extends (request: never) => infer Result ? Awaited<Result> : never;

/** The requests of a table, by the names of its functions. */
export type RequestsOf<Table> = { readonly [Kind in keyof Table]: RequestOf<Table[Kind]> };

/**
 * A table of functions by name, which run in a worker. Requests and results travel between threads, so both are plain
 * data.
 */
export type OperationTable<Requests> = { readonly [Kind in keyof Requests]: (request: Requests[Kind]) => unknown };

/** One call of a function of a table, as plain data. */
export type Operation<Requests, Kind extends keyof Requests = keyof Requests> = {
  [Each in Kind]: { readonly kind: Each; readonly request: Requests[Each] };
}[Kind];

/** Calls a function of a table in a worker. Rejects with the `SealiftError` that it threw there, or the deadline's. */
export type Run<Table> = <Kind extends keyof Table & string>(
  kind: Kind,
  request: RequestOf<Table[Kind]>,
  options?: CallOptions,
) => Promise<ResultOf<Table[Kind]>>;

/** The tables of all rooms, each loaded when a worker is first asked for one of its functions. */
export type RoomTables<Rooms> = {
  readonly [Room in keyof Rooms]: () => OperationTable<Rooms[Room]> | Promise<OperationTable<Rooms[Room]>>;
};

/**
 * One call of a function of a room's table, as it travels to a worker. `Rooms` are the requests of each room's table.
 */
export type RoomOperation<Rooms, Room extends keyof Rooms = keyof Rooms> = {
  [Each in Room]: { readonly room: Each; readonly operation: Operation<Rooms[Each]> };
}[Room];
