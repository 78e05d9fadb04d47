import type { ByteSink } from '../bytes/index.ts';
import { SLOT_BYTES, type SlotWriter } from './ring.ts';

/** Copies bytes into slots of the ring and publishes each when it is full. Used for layers that are not compressed. */
export function fillSlots(slots: SlotWriter): ByteSink {
  let slot: Uint8Array | undefined;
  let filled = 0;
  const publish = (): void => {
    slots.publish(filled);
    slot = undefined;
    filled = 0;
  };
  return {
    write(chunk) {
      let offset = 0;
      while (offset < chunk.length) {
        slot ??= slots.acquire();
        const part = chunk.subarray(offset, offset + SLOT_BYTES - filled);
        slot.set(part, filled);
        filled += part.length;
        offset += part.length;
        if (filled === SLOT_BYTES) publish();
      }
    },
    end() {
      if (filled > 0) publish();
      slots.end();
    },
  };
}
