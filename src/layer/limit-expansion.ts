import { SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import type { FlowSink } from './flow-sink.ts';
import type { SlotWriter } from './ring.ts';

/** The ratio is not checked below this size: a small archive of zeros is not an attack. */
const RATIO_FREE_BYTES = 64 * 1024 * 1024;

/**
 * Bounds the size of the decompressed layer: `countInput` is the stage before the decompressor, `slots` the stage after
 * it. Throws `LAYER_LIMIT_EXCEEDED` with the name of the limit.
 */
export function limitExpansion(limits: Limits, slots: SlotWriter) {
  let input = 0;
  let output = 0;
  const exceeded = (limit: 'maxLayerBytes' | 'maxExpansionRatio', expected: string) =>
    new SealiftError('LAYER_LIMIT_EXCEEDED', `layer: expected ${expected}, got ${output} bytes or more`, {
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
        if (output > limits.maxLayerBytes) throw exceeded('maxLayerBytes', `at most ${limits.maxLayerBytes} bytes`);
        if (output > RATIO_FREE_BYTES && output > input * limits.maxExpansionRatio) {
          const expected = `at most ${limits.maxExpansionRatio} times the ${input} compressed bytes`;
          throw exceeded('maxExpansionRatio', expected);
        }
        slots.publish(length);
      },
      end: () => slots.end(),
    } satisfies SlotWriter,
  };
}
