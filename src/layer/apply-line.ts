import type { ByteSink } from '../bytes/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Digest } from '../oci/index.ts';
import { type EntrySink, readTar } from '../unpack/index.ts';
import { verifyDigest } from './verify-digest.ts';

/** Checks what the image config promised: the diffID over all bytes, and a valid archive, which it applies. */
export interface ApplyLine extends ByteSink {
  /** How many bytes have passed so far. */
  layerBytes(): number;
}

export function createApplyLine(diffId: Digest, limits: Limits, writer: EntrySink): ApplyLine {
  const line = verifyDigest({ digest: diffId, what: 'diffID', code: 'DIFFID_MISMATCH' }, readTar(limits, writer));
  let layerBytes = 0;
  return {
    write(chunk) {
      layerBytes += chunk.length;
      line.write(chunk);
    },
    end: () => line.end(),
    layerBytes: () => layerBytes,
  };
}
