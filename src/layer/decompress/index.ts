import type { Limits } from '../../limits/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import { fillSlots } from '../fill-slots.ts';
import { limitExpansion } from '../limit-expansion.ts';
import type { SlotWriter } from '../ring.ts';
import type { WindowGate } from '../window-token.ts';
import { checkZstdFrames } from './check-zstd-frames.ts';
import { chooseFormat } from './choose-format.ts';
import { createStreamDecompressor } from './stream-fallback.ts';
import { canUseSyncHandle, createSyncDecompressor } from './sync-handle.ts';
import type { CompressedFormat, Decompressor } from './types.ts';

export { describeMislabelled } from './choose-format.ts';
export { canUseSyncHandle } from './sync-handle.ts';

export interface DecompressOptions {
  readonly compression: LayerCompression;
  readonly limits: Limits;
  readonly windowGate: WindowGate;
  /** Set by tests only. When absent, the self-test of this thread decides. */
  readonly engine?: 'sync-handle' | 'stream';
}

/** A decompressor that chooses its format by the first bytes. */
export interface LayerDecompressor extends Decompressor {
  /** The format in which the layer is read. Final after `end`. */
  readonly compression: LayerCompression;
}

/**
 * Turns blob bytes into layer bytes, with bounds on both. The first bytes decide the format, and where they show none,
 * the media type. All gzip members or zstd frames are one stream, and any other bytes after the last one are refused.
 */
export function decompress(options: DecompressOptions, slots: SlotWriter): LayerDecompressor {
  const { compression: labelled, limits, windowGate } = options;
  const bounded = limitExpansion(limits, slots);
  let decoder: Decompressor | undefined;
  const choice = chooseFormat(labelled, (actual) => {
    if (actual === 'none') return fillSlots(bounded.slots);
    decoder = openDecoder(actual, options, bounded.slots);
    return actual === 'zstd' ? checkZstdFrames({ onWindow: (bytes) => windowGate.admit(bytes) }, decoder) : decoder;
  });
  const line = bounded.countInput(choice);
  return {
    get compression() {
      return choice.compression;
    },
    write: (chunk) => line.write(chunk),
    end: () => line.end(),
    close() {
      decoder?.close();
      windowGate.release();
    },
  };
}

function openDecoder(format: CompressedFormat, options: DecompressOptions, slots: SlotWriter): Decompressor {
  const engine = options.engine ?? (canUseSyncHandle() ? 'sync-handle' : 'stream');
  const create = engine === 'sync-handle' ? createSyncDecompressor : createStreamDecompressor;
  return create(format, options.limits.maxZstdWindowLog, slots);
}
