export interface Sized {
  /** Compressed bytes. */
  readonly size: number;
}

export interface LaneWork<Layer> {
  readonly layer: Layer;
  /** Two threads with a ring between them; otherwise one thread does it all. */
  readonly split: boolean;
}

/**
 * Largest first. A layer is split over two workers only while it outweighs all that is left behind it: then there is
 * nothing for a second worker to do but to share it. https://en.wikipedia.org/wiki/Longest-processing-time-first_scheduling
 */
export function orderLayers<Layer extends Sized>(layers: readonly Layer[]): readonly LaneWork<Layer>[] {
  const sorted = [...layers].sort((left, right) => right.size - left.size);
  let left = sorted.reduce((total, { size }) => total + size, 0);
  return sorted.map((layer) => {
    left -= layer.size;
    return { layer, split: layer.size >= left };
  });
}
