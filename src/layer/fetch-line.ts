import type { BlobSource } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import { decompress, type InflateMode } from './decompress/index.ts';
import { deferFailure } from './defer-failure.ts';
import type { FetchSlot } from './fetch-queue.ts';
import type { HeldBytes } from './held-bytes.ts';
import { limitBytes } from './limit-bytes.ts';
import type { SlotWriter } from './ring.ts';
import type { FetchedBlob, LayerJob } from './types.ts';
import { verifyDigest } from './verify-digest.ts';
import type { WindowGate } from './window-token.ts';

export interface FetchLinePorts {
  readonly source: BlobSource;
  readonly onBytes: (bytes: number) => void;
  /** Called with the number of bytes that were held before their slot began; their own buffers are garbage. */
  readonly onAhead: (bytes: number) => void;
  readonly blockedMs: () => number;
  readonly windowGate: WindowGate;
  readonly limits: Limits;
  readonly inflate: InflateMode;
  readonly signal: AbortSignal;
  /** Begins when the blobs before this one have been fetched. */
  readonly queueSlot: FetchSlot;
  /** Holds what is received before that. */
  readonly held: HeldBytes;
}

/**
 * Checks what the registry served: size, then digest, then decompression into the slots of the ring. Nothing passes
 * `end` unverified. Why the stages are synchronous sinks: docs/adr/0001-synchronous-sink-stages.md.
 */
export async function runFetchLine(job: LayerJob, slots: SlotWriter, ports: FetchLinePorts): Promise<FetchedBlob> {
  const { blobDigest: digest, blobSize: size, compression } = job;
  const { limits, inflate, windowGate, queueSlot, held } = ports;
  const decompressor = decompress({ compression, limits, windowGate, inflate }, slots);
  const line = limitBytes(
    { digest, size },
    verifyDigest({ digest, what: 'blob', code: 'BLOB_DIGEST_MISMATCH' }, deferFailure(decompressor)),
  );
  let isOpen = true;
  const take = (chunk: Uint8Array): void | Promise<void> => {
    // A chunk that was held back until its slot began may find that the line was given up meanwhile.
    if (!isOpen) return;
    ports.onBytes(chunk.length);
    return line.write(chunk);
  };
  let isHandedOn = queueSlot.hasBegun();
  const handedOn = queueSlot.begun
    .then(() => held.handOn(take))
    .then(() => {
      isHandedOn = true;
    });
  // The next chunk, or the end, waits for this promise and reports its failure.
  handedOn.catch(() => {});
  try {
    await ports.source.open({
      // Before its slot begins, a blob delivers as much as there is room for; then its connection is paused.
      write: (chunk) => {
        if (isHandedOn) return take(chunk);
        if (queueSlot.hasBegun() || !held.keep(chunk)) return handedOn.then(() => take(chunk));
        ports.onAhead(chunk.length);
        return undefined;
      },
      mayAddConnections: () => queueSlot.hasBegun(),
      blockedMs: ports.blockedMs,
      signal: ports.signal,
    });
    await handedOn;
    await line.end();
    return { compression: decompressor.compression };
  } finally {
    isOpen = false;
    held.close();
    decompressor.close();
  }
}
