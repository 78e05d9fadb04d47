export { createRun, type SendOperation } from './create-run.ts';
export { performOperation, performRoomOperation } from './perform.ts';
export type {
  CallLane,
  CallOptions,
  Deadline,
  Operation,
  OperationTable,
  RequestOf,
  RequestsOf,
  ResultOf,
  RoomOperation,
  RoomTables,
  Run,
} from './types.ts';
export { withOptions } from './with-options.ts';
