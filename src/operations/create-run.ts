import type { CallOptions, Operation, RequestsOf, ResultOf, Run } from './types.ts';

/** Sends an operation to where its table is, and resolves to what came back. */
export type SendOperation<Table> = <Kind extends keyof Table & string>(
  operation: Operation<RequestsOf<Table>, Kind>,
  options: CallOptions | undefined,
) => Promise<unknown>;

/** Makes the caller's side of a table. */
export function createRun<Table>(send: SendOperation<Table>): Run<Table> {
  return async <Kind extends keyof Table & string>(
    kind: Kind,
    request: RequestsOf<Table>[Kind],
    options?: CallOptions,
  ) => {
    // The only cast of the boundary: a result comes out of a message, and no type can follow it there. It is right
    // because the worker called the function of this name in a table of this type.
    return (await send({ kind, request }, options)) as ResultOf<Table[Kind]>;
  };
}
