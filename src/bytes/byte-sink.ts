/**
 * One stage of the layer line. Bytes go in; the stage passes on what it vouches for.
 *
 * `write` is synchronous and may block; the chunk is reused by the caller as soon as it returns. `end` is the only
 * place where a whole can be accepted. Throwing is how a stage says no; a sink that has thrown is never called again.
 */
export interface ByteSink {
  write(chunk: Uint8Array): void;
  end(): void;
}
