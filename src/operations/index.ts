export { createRun } from './create-run.ts';
export { performRoomOperation } from './perform.ts';
export type { CallOptions, Deadline, LaneName, OwnLane, RequestsOf, RoomOperation, RoomTables, Run } from './types.ts';
export { withOptions } from './with-options.ts';
