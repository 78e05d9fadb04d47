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
export type { Decompressor } from './types.ts';

export interface DecompressOptions {
  readonly compression: LayerCompression;
  readonly limits: Limits;
  readonly windowGate: WindowGate;
  /** Tests choose; otherwise the self-test of this thread does. */
  readonly engine?: 'sync-handle' | 'stream';
}

/**
 * Blob bytes in, layer bytes out, bounded on both sides. The media type alone decides the format: another format inside
 * is a malformed layer. Multi-member gzip and multi-frame zstd are one stream; anything after the last one is refused.
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
