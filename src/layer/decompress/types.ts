import type { FlowSink } from '../flow-sink.ts';

export type CompressedFormat = 'gzip' | 'zstd';

/** A stage that owns memory outside the JavaScript heap. `close` frees it and may be called at any time. */
export interface Decompressor extends FlowSink {
  close(): void;
}
