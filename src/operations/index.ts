export { performOperation, type RoomOperation } from './perform-operation.ts';
