export type { ByteSink } from './byte-sink.ts';
export { type ByteString, fromByteString, showByteString, toByteString } from './byte-string.ts';
