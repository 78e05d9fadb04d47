export { callOnce } from './call-once.ts';
export { claimSocket } from './claim-socket.ts';
export {
  bytesField,
  defineMessage,
  int32Field,
  optionalUint64Field,
  textField,
  textListField,
  textMapField,
} from './message.ts';
export type { ClientLimits } from './open-client.ts';
export { openTtrpcListener, type TtrpcListener } from './open-listener.ts';
export { openTtrpcServer } from './open-server.ts';
export { fail, failWith, payloadOf, STATUS, succeed } from './status.ts';
export type {
  Metadata,
  Method,
  MethodCall,
  Reply,
  Services,
  TtrpcLimits,
  TtrpcServer,
} from './types.ts';
