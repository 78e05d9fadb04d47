import { SealiftError } from '../errors/index.ts';
import type { Operation, OperationTable, RoomOperation, RoomTables } from './types.ts';

/**
 * The worker's side of a call: looks the room and the function up. Throws `INTERNAL` for names that are in no table.
 */
export async function performRoomOperation<Rooms, Room extends keyof Rooms>(
  rooms: RoomTables<Rooms>,
  { room, operation }: RoomOperation<Rooms, Room>,
): Promise<unknown> {
  assertNamed(rooms, room, 'room');
  return performOperation(await rooms[room](), operation);
}

/** Calls the function that an operation names. Throws `INTERNAL` for a name that is not in the table. */
export function performOperation<Requests, Kind extends keyof Requests>(
  table: OperationTable<Requests>,
  { kind, request }: Operation<Requests, Kind>,
): unknown {
  assertNamed(table, kind, 'operation');
  return table[kind](request);
}

/** The types make sure of it within one program; a message that arrives is looked at all the same. */
function assertNamed(table: object, name: PropertyKey, what: string): void {
  if (Object.hasOwn(table, name)) return;
  throw new SealiftError('INTERNAL', `worker: expected a known ${what}, got ${String(name)}`);
}
