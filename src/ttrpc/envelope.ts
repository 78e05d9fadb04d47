import {
  bytesField,
  bytesListField,
  defineMessage,
  int32Field,
  int64Field,
  messageField,
  messageListField,
  textField,
} from './message.ts';
import type { Metadata, RpcStatus } from './types.ts';

/** The longest name of a service, method or metadata key; clients may send any text. */
const MAX_NAME_BYTES = 1_024;
const MAX_VALUE_BYTES = 16 * 1_024;
const MAX_METADATA = 64;
const MAX_STATUS_DETAILS = 64;
/** The longest message of a status; the server's own messages are never longer. */
export const MAX_STATUS_BYTES = 64 * 1_024;

const metadata = defineMessage('KeyValue', {
  key: textField(1, MAX_NAME_BYTES),
  value: textField(2, MAX_VALUE_BYTES),
});

/** https://github.com/containerd/ttrpc/blob/v1.2.7/request.proto */
export const RequestEnvelope = defineMessage('Request', {
  service: textField(1, MAX_NAME_BYTES),
  method: textField(2, MAX_NAME_BYTES),
  payload: bytesField(3),
  timeoutNanos: int64Field(4),
  metadata: messageListField<Metadata>(5, MAX_METADATA, metadata),
});

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto */
const status = defineMessage('Status', {
  code: int32Field(1),
  message: textField(2, MAX_STATUS_BYTES),
  details: bytesListField(3, MAX_STATUS_DETAILS),
});

/** https://github.com/containerd/ttrpc/blob/v1.2.7/request.proto: a response without a status is a success. */
export const ResponseEnvelope = defineMessage('Response', {
  status: messageField<RpcStatus>(1, status),
  payload: bytesField(2),
});
