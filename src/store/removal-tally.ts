import type { LayerKey } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Removal } from './types.ts';

/** A {@link Removal} while it is going on. */
export interface RemovalTally {
  readonly names: string[];
  readonly images: Digest[];
  readonly layers: LayerKey[];
  documents: number;
  uppers: number;
  freedBytes: number;
}

export function createTally(): RemovalTally & Removal {
  return { names: [], images: [], layers: [], documents: 0, uppers: 0, freedBytes: 0 };
}
