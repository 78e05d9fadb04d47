import { setImmediate } from 'node:timers/promises';
import { cancellation } from '../../../src/errors/index.ts';
import { assertInside, type BlobDelivery, type BlobSource } from '../../../src/http/index.ts';

/**
 * A test double for a source of a blob: bytes of this process. Like a socket, it writes chunks through one reused buffer
 * and waits for a promise of the writer.
 */
export function createMemorySource(bytes: Uint8Array, chunkBytes = 64 * 1024): BlobSource {
  const buffer = Buffer.alloc(chunkBytes);
  const deliver = async (part: Uint8Array, { write, signal }: BlobDelivery): Promise<void> => {
    for (let offset = 0; offset < part.length; offset += chunkBytes) {
      await setImmediate();
      if (signal.aborted) throw cancellation(signal);
      const chunk = part.subarray(offset, offset + chunkBytes);
      buffer.set(chunk);
      await write(buffer.subarray(0, chunk.length));
    }
  };
  return {
    open: (delivery) => deliver(bytes, delivery),
    range: async (range, delivery) => {
      assertInside(range, bytes.length);
      await deliver(bytes.subarray(range.first, range.last + 1), delivery);
    },
  };
}
