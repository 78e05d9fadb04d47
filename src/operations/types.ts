import type { SealiftError } from '../errors/index.ts';

/** `background`: work that may take long and that no pull waits for. */
export type CallLane = 'foreground' | 'background';

/** How long a call may take, from the request to the answer, including the calls before it in its lane. */
export interface Deadline {
  readonly ms: number;
  /**
   * Makes the error for this call when the thread was given up after `ms`, which is another call's deadline if that
   * call hung first.
   */
  readonly stalled: (ms: number) => SealiftError;
}

export interface CallOptions {
  /** The foreground when absent. */
  readonly lane?: CallLane;
  /** No deadline when absent. */
  readonly deadline?: Deadline | undefined;
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
