import type { LayerFacts } from '../unpack/index.ts';

/** `<format>-v<writer version>-<diffid|chain>-<hex>[-<domain>]` */
export type LayerKey = string & { readonly __brand: 'LayerKey' };

/** The record of a published layer, or of a diffID that cannot be published by itself. Lies in guest memory. */
export interface LayerRecord {
  readonly key: LayerKey;
  readonly diffId: string;
  /** `published`: the layer lies under its key. `needs-chain`: it hard-links into lower layers, see its chain key. */
  readonly state: 'published' | 'needs-chain';
  readonly facts: LayerFacts;
}

export interface StoredLayer {
  readonly record: LayerRecord;
  /** Absolute path of the layer's directory. */
  readonly path: string;
}
