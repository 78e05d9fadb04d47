import type { AuthChallenge, BlobStream, HttpRequest } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import { decompress } from './decompress/index.ts';
import { deferFailure } from './defer-failure.ts';
import { limitBytes } from './limit-bytes.ts';
import type { SlotWriter } from './ring.ts';
import type { LayerJob } from './types.ts';
import { verifyDigest } from './verify-digest.ts';
import type { WindowGate } from './window-token.ts';

export interface FetchLinePorts {
  readonly streamBlob: (stream: BlobStream) => Promise<void>;
  readonly onUnauthorized: (challenge: AuthChallenge) => Promise<HttpRequest>;
  readonly onBytes: (bytes: number) => void;
  readonly blockedMs: () => number;
  readonly windowGate: WindowGate;
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** What the registry served: size, digest, then decompression into the slots. Nothing passes `end` unverified. */
export async function runFetchLine(job: LayerJob, slots: SlotWriter, ports: FetchLinePorts): Promise<void> {
  const { blobDigest: digest, blobSize: size, compression } = job;
  const { limits, windowGate } = ports;
  const decompressor = decompress({ compression, limits, windowGate }, slots);
  const line = limitBytes(
    { digest, size },
    verifyDigest({ digest, what: 'blob', code: 'BLOB_DIGEST_MISMATCH' }, deferFailure(decompressor)),
  );
  try {
    await ports.streamBlob({
      request: job.request,
      size,
      write(chunk) {
        ports.onBytes(chunk.length);
        return line.write(chunk);
      },
      onUnauthorized: ports.onUnauthorized,
      blockedMs: ports.blockedMs,
      signal: ports.signal,
    });
    await line.end();
  } finally {
    decompressor.close();
  }
}
