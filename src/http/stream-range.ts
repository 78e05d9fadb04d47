import { BlobAccess } from './blob-access.ts';
import { BlobTries } from './blob-tries.ts';
import { assertInside } from './byte-range.ts';
import type { Wire } from './exchange.ts';
import { fetchRange } from './fetch-range.ts';
import type { ReceivedRange } from './range-receiver.ts';
import type { BlobStream, ByteRange } from './types.ts';

/** A range whose bytes are written as they arrive. */
class WrittenRange implements ReceivedRange {
  readonly signal: AbortSignal;
  readonly end: number;
  position: number;
  readonly #write: BlobStream['write'];

  constructor({ first, last }: ByteRange, { write, signal }: BlobStream) {
    this.signal = signal;
    this.position = first;
    this.end = last + 1;
    this.#write = write;
  }

  get missingBytes(): number {
    return this.end - this.position;
  }

  append(chunk: Uint8Array): void | Promise<void> {
    this.position += chunk.length;
    return this.#write(chunk);
  }
}

/** Writes a part of a blob over one connection at a time, as `BlobSource.range` documents it. */
export async function streamRange(wire: Wire, stream: BlobStream, span: ByteRange): Promise<void> {
  const { limits, clock } = wire;
  const { size, signal, blockedMs, request } = stream;
  assertInside(span, size);
  const segment = new WrittenRange(span, stream);
  const access = new BlobAccess(stream);
  const maxTries = Math.min(request.tries ?? limits.maxTries, limits.maxTries);
  const tries = new BlobTries(
    { limits, clock, maxTries, leftMs: request.leftMs, signal },
    () => segment.position - span.first,
  );
  for (;;) {
    const { round } = tries;
    const onReceived = (): void => {};
    const failed = await fetchRange(wire, { segment, access, size, etag: undefined, blockedMs, onReceived });
    if (failed === undefined) return;
    await tries.waitAfter(failed, round);
  }
}
