export { type ByteSink, type ByteString, fromByteString, showByteString, toByteString } from './bytes.ts';
