import { SealiftError } from '../errors/index.ts';
import type { Digest } from '../oci/index.ts';
import type { FlowSink } from './flow-sink.ts';

/** Passes exactly `size` bytes. Throws `BLOB_SIZE_MISMATCH` at the first byte too many, or at an end too early. */
export function limitBytes(blob: { readonly digest: Digest; readonly size: number }, next: FlowSink): FlowSink {
  let seen = 0;
  const mismatch = (actual: string | number) =>
    new SealiftError('BLOB_SIZE_MISMATCH', `blob ${blob.digest}: expected ${blob.size} bytes, got ${actual}`, {
      context: { expected: blob.size, actual },
    });
  return {
    write(chunk) {
      seen += chunk.length;
      if (seen > blob.size) throw mismatch(`${seen} or more`);
      return next.write(chunk);
    },
    end() {
      if (seen < blob.size) throw mismatch(seen);
      return next.end();
    },
  };
}
