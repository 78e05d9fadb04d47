import type { AuthChallenge, BlobStream, HttpRequest } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import { decompress } from './decompress/index.ts';
import { deferFailure } from './defer-failure.ts';
import type { FetchTurn } from './fetch-turns.ts';
import type { HeldBytes } from './held-bytes.ts';
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
  /** Told of bytes that came ahead of their turn, and were copied: what they came in is garbage. */
  readonly onAhead: (bytes: number) => void;
  readonly blockedMs: () => number;
  readonly windowGate: WindowGate;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** The blobs before this one have been fetched. */
  readonly turn: FetchTurn;
  /** For what comes before that. */
  readonly held: HeldBytes;
}

/** What the registry served: size, digest, then decompression into the slots. Nothing passes `end` unverified. */
export async function runFetchLine(job: LayerJob, slots: SlotWriter, ports: FetchLinePorts): Promise<void> {
  const { blobDigest: digest, blobSize: size, compression } = job;
  const { limits, windowGate, turn, held } = ports;
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
  let isHandedOn = turn.hasBegun();
  const handedOn = turn.begun
    .then(() => held.handOn(take))
    .then(() => {
      isHandedOn = true;
    });
  // Whoever waits for it tells of a failure: the next chunk, or the end.
  handedOn.catch(() => {});
  try {
    await ports.streamBlob({
      size,
      // Ahead of its turn a blob brings what there is room for; then its connection is held back.
      write: (chunk) => {
        if (isHandedOn) return take(chunk);
        if (turn.hasBegun() || !held.keep(chunk)) return handedOn.then(() => take(chunk));
        ports.onAhead(chunk.length);
        return undefined;
      },
      onUnauthorized: ports.onUnauthorized,
      isInTurn: () => turn.hasBegun(),
      blockedMs: ports.blockedMs,
      signal: ports.signal,
    });
    await handedOn;
    await line.end();
  } finally {
    isOpen = false;
    held.close();
    decompressor.close();
  }
}
