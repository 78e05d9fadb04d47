import type { Limits } from '../../limits/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import { fillSlots } from '../fill-slots.ts';
import { limitExpansion } from '../limit-expansion.ts';
import type { SlotWriter } from '../ring.ts';
import type { WindowGate } from '../window-token.ts';
import { assertFormat } from './assert-format.ts';
import { checkZstdFrames } from './check-zstd-frames.ts';
import { createStreamDecompressor } from './stream-fallback.ts';
import { canUseSyncHandle, createSyncDecompressor } from './sync-handle.ts';
import type { Decompressor } from './types.ts';

export { canUseSyncHandle } from './sync-handle.ts';

export interface DecompressOptions {
  readonly compression: LayerCompression;
  readonly limits: Limits;
  readonly windowGate: WindowGate;
  /** Set by tests only. When absent, the self-test of this thread decides. */
  readonly engine?: 'sync-handle' | 'stream';
}

/**
 * Turns blob bytes into layer bytes, with bounds on both. The media type alone decides the format: other content is a
 * malformed layer. All gzip members or zstd frames are one stream, and any other bytes after the last one are refused.
 */
export function decompress(options: DecompressOptions, slots: SlotWriter): Decompressor {
  const { compression, limits, windowGate } = options;
  const bounded = limitExpansion(limits, slots);
  if (compression === 'none') {
    return { ...bounded.countInput(assertFormat(compression, fillSlots(bounded.slots))), close: () => {} };
  }
  const engine = options.engine ?? (canUseSyncHandle() ? 'sync-handle' : 'stream');
  const create = engine === 'sync-handle' ? createSyncDecompressor : createStreamDecompressor;
  const decoder = create(compression, limits.maxZstdWindowLog, bounded.slots);
  const checked =
    compression === 'zstd' ? checkZstdFrames({ onWindow: (bytes) => windowGate.admit(bytes) }, decoder) : decoder;
  return {
    ...bounded.countInput(assertFormat(compression, checked)),
    close() {
      decoder.close();
      windowGate.release();
    },
  };
}
