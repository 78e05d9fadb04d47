import { SealiftError } from '../../errors/index.ts';
import type { Limits } from '../../limits/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import { fillSlots } from '../fill-slots.ts';
import { limitExpansion } from '../limit-expansion.ts';
import type { SlotWriter } from '../ring.ts';
import type { WindowGate } from '../window-token.ts';
import { checkZstdFrames } from './check-zstd-frames.ts';
import { chooseFormat } from './choose-format.ts';
import { chooseInflate, type InflateMode } from './choose-inflate.ts';
import { createIsalDecompressor } from './isal.ts';
import { createStreamDecompressor } from './stream-fallback.ts';
import { canUseSyncHandle, createSyncDecompressor } from './sync-handle.ts';
import type { CompressedFormat, Decompressor } from './types.ts';

export { describeMislabelled } from './choose-format.ts';
export { chooseInflate, type InflateMode } from './choose-inflate.ts';
export { canUseSyncHandle } from './sync-handle.ts';

export interface DecompressOptions {
  readonly compression: LayerCompression;
  readonly limits: Limits;
  readonly windowGate: WindowGate;
  /** What gzip is inflated with; `auto` when absent. */
  readonly inflate?: InflateMode;
  /** Set by tests only. When absent, the self-tests of this thread decide. */
  readonly engine?: 'isal' | 'sync-handle' | 'stream';
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
  const { engine, inflate = 'auto' } = options;
  if (format === 'gzip' && (engine === undefined || engine === 'isal')) {
    const choice = chooseInflate(engine === 'isal' ? 'auto' : inflate);
    if (choice.engine === 'isal') return createIsalDecompressor(choice.library, slots);
    if (engine === 'isal') throw new SealiftError('INTERNAL', `expected a usable libisal: ${choice.reason}`);
  }
  const usesHandle = engine === undefined || engine === 'isal' ? canUseSyncHandle() : engine === 'sync-handle';
  const create = usesHandle ? createSyncDecompressor : createStreamDecompressor;
  return create(format, options.limits.maxZstdWindowLog, slots);
}
