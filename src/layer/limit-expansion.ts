import { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { FlowSink } from './flow-sink.ts';
import type { SlotWriter } from './ring.ts';

/** Below this the ratio says nothing: a small archive of zeros is not an attack. */
const RATIO_FREE_BYTES = 64 * 1024 * 1024;

/**
 * Bounds what a blob may become: `countInput` goes in front of the decompressor, `slots` behind it. Throws
 * `LAYER_LIMIT_EXCEEDED` with the name of the limit.
 */
export function limitExpansion(limits: Limits, slots: SlotWriter) {
  let input = 0;
  let output = 0;
  const exceeded = (limit: 'maxLayerBytes' | 'maxExpansionRatio') =>
    new SealiftError('LAYER_LIMIT_EXCEEDED', `layer: ${limit} of ${limits[limit]} exceeded at ${output} bytes`, {
      context: { limit, expected: limits[limit], actual: output },
    });
  return {
    countInput: (next: FlowSink): FlowSink => ({
      write(chunk) {
        input += chunk.length;
        return next.write(chunk);
      },
      end: () => next.end(),
    }),
    slots: {
      acquire: () => slots.acquire(),
      publish(length) {
        output += length;
        if (output > limits.maxLayerBytes) throw exceeded('maxLayerBytes');
        if (output > RATIO_FREE_BYTES && output > input * limits.maxExpansionRatio) throw exceeded('maxExpansionRatio');
        slots.publish(length);
      },
      end: () => slots.end(),
    } satisfies SlotWriter,
  };
}
