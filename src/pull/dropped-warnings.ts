import type { LayerFacts } from '../unpack/index.ts';

/** One sentence for each reason for which something of the layers was left out on purpose. */
export function droppedWarnings(layers: readonly Pick<LayerFacts, 'dropped'>[]): readonly string[] {
  const totals = new Map<string, number>();
  for (const { dropped } of layers) {
    for (const [reason, count] of Object.entries(dropped)) totals.set(reason, (totals.get(reason) ?? 0) + count);
  }
  return [...totals].map(([reason, count]) => `left out ${count} times: ${reason}`);
}
