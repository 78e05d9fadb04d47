/**
 * A stage between the network and the decompressor. Like a `ByteSink`, but it may answer with a promise while it cannot
 * take more: only the decompressor's fallback over streams does. The source pauses until the promise settles.
 */
export interface FlowSink {
  write(chunk: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}
