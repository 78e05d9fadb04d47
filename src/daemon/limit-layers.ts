import { SealiftError } from '../errors/index.ts';
import type { PullPorts } from '../pull/index.ts';
import { Slots } from '../slots/index.ts';

type LayerPool = PullPorts['pool'];

/** Bounds the layers of one image: at most `maxLayers` are fetched at a time, each from its first to its last byte. */
export function limitLayers(pool: LayerPool, maxLayers: number): LayerPool {
  const slots = new Slots(maxLayers);
  return {
    stage: async (job, options) => {
      const release = await takeSlot(slots, options.signal ?? NEVER);
      try {
        return await pool.stage(job, options);
      } finally {
        release();
      }
    },
    openLine: (directory, signal) => pool.openLine(directory, signal),
  };
}

const NEVER = new AbortController().signal;

async function takeSlot(slots: Slots, signal: AbortSignal): Promise<() => void> {
  try {
    return await slots.take(signal);
  } catch (cause) {
    throw new SealiftError('PULL_CANCELLED', 'layer: cancelled while it waited for a slot', { cause });
  }
}
