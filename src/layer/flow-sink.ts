/**
 * A stage between the source and the decompressor. It is a `ByteSink` that may return a promise, for which the source
 * waits, while it cannot take more bytes. Only the decompressor's fallback over streams does.
 */
export interface FlowSink {
  write(chunk: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}
