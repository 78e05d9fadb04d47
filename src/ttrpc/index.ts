export { callOnce } from './call-once.ts';
export { claimSocket, type SocketClaim } from './claim-socket.ts';
export {
  bytesField,
  bytesListField,
  defineMessage,
  type Field,
  int32Field,
  int64Field,
  type MessageCodec,
  messageField,
  messageListField,
  optionalUint64Field,
  textField,
  textListField,
  textMapField,
} from './message.ts';
export { type ClientLimits, openTtrpcClient } from './open-client.ts';
export { openTtrpcServer } from './open-server.ts';
export { fail, failWith, payloadOf, STATUS, succeed } from './status.ts';
export type {
  CallOptions,
  Metadata,
  Method,
  MethodCall,
  Reply,
  RpcStatus,
  ServerOptions,
  Services,
  TtrpcClient,
  TtrpcLimits,
  TtrpcServer,
} from './types.ts';
