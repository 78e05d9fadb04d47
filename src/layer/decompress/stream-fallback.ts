import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { fillSlots } from '../fill-slots.ts';
import type { SlotWriter } from '../ring.ts';
import { decompressFailed } from './sync-handle.ts';
import type { CompressedFormat, Decompressor } from './types.ts';

/** The default chunks of 16 KiB take four times as long. */
const CHUNK_BYTES = 1 << 20;

/**
 * Decompresses with the documented streams, for a Node whose handle is not as expected. Slower; `write` returns
 * promises.
 */
export function createStreamDecompressor(
  format: CompressedFormat,
  maxZstdWindowLog: number,
  slots: SlotWriter,
): Decompressor {
  const stream =
    format === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({
          chunkSize: CHUNK_BYTES,
          params: { [constants.ZSTD_d_windowLogMax]: maxZstdWindowLog },
        });
  const output = fillSlots(slots);
  let rejectPending: ((error: unknown) => void) | undefined;
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    rejectPending?.(error);
  };
  stream.on('error', (error) => fail(decompressFailed(format, error.message)));
  stream.on('data', (chunk: Buffer) => {
    if (failure !== undefined) return;
    try {
      output.write(chunk);
    } catch (error) {
      fail(error);
    }
  });

  function settled(start: (resolve: () => void) => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (failure !== undefined) return reject(failure.error);
      rejectPending = reject;
      start(resolve);
    });
  }

  return {
    write: (chunk) => settled((resolve) => stream.write(chunk, () => resolve())),
    async end() {
      await settled((resolve) => {
        stream.once('end', resolve);
        stream.end();
      });
      output.end();
    },
    close: () => void stream.destroy(),
  };
}
