import type { AuthChallenge, BlobStream, HttpRequest } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import { decompress } from './decompress/index.ts';
import { deferFailure } from './defer-failure.ts';
import type { FetchTurn } from './fetch-turns.ts';
import { limitBytes } from './limit-bytes.ts';
import type { SlotWriter } from './ring.ts';
import type { LayerJob } from './types.ts';
import { verifyDigest } from './verify-digest.ts';
import type { WindowGate } from './window-token.ts';

export interface FetchLinePorts {
  /** Brings the blob from where it lies. */
  readonly streamBlob: (stream: Omit<BlobStream, 'request'>) => Promise<void>;
  readonly onUnauthorized: (challenge: AuthChallenge) => Promise<HttpRequest>;
  readonly onBytes: (bytes: number) => void;
  readonly blockedMs: () => number;
  readonly windowGate: WindowGate;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** The blobs before this one have been fetched. */
  readonly turn: FetchTurn;
}

/** What the registry served: size, digest, then decompression into the slots. Nothing passes `end` unverified. */
export async function runFetchLine(job: LayerJob, slots: SlotWriter, ports: FetchLinePorts): Promise<void> {
  const { blobDigest: digest, blobSize: size, compression } = job;
  const { limits, windowGate, turn } = ports;
  const decompressor = decompress({ compression, limits, windowGate }, slots);
  const line = limitBytes(
    { digest, size },
    verifyDigest({ digest, what: 'blob', code: 'BLOB_DIGEST_MISMATCH' }, deferFailure(decompressor)),
  );
  let isOpen = true;
  const take = (chunk: Uint8Array): void | Promise<void> => {
    // Held back until its turn, it may find that the line was given up meanwhile.
    if (!isOpen) return;
    ports.onBytes(chunk.length);
    return line.write(chunk);
  };
  try {
    await ports.streamBlob({
      size,
      // Ahead of its turn only the request is sent: the connection is held back from the first chunk on.
      write: (chunk) => (turn.hasBegun() ? take(chunk) : turn.begun.then(() => take(chunk))),
      onUnauthorized: ports.onUnauthorized,
      blockedMs: ports.blockedMs,
      signal: ports.signal,
    });
    await turn.begun;
    await line.end();
  } finally {
    isOpen = false;
    decompressor.close();
  }
}
