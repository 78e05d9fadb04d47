import { createRun, type RequestsOf, type Run } from '../../../src/operations/index.ts';
import { performOperation } from '../../../src/operations/perform.ts';
import type { Operation, OperationTable } from '../../../src/operations/types.ts';

/** Runs every operation at once in this thread, and clones what a message would. `before` may refuse an operation. */
export function runInline<Table>(
  table: OperationTable<RequestsOf<Table>>,
  before: (operation: Operation<RequestsOf<Table>>) => void = () => undefined,
): Run<Table> {
  return createRun<Table>(async (sent) => {
    const operation = structuredClone(sent);
    before(operation);
    return structuredClone(await performOperation(table, operation));
  });
}
