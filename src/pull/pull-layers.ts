import { prefixError, SealiftError } from '../errors/index.ts';
import type { LayerJob, LayerTarget, StagedLayer, StageOptions } from '../layer/index.ts';
import type { Digest, ImageLayer } from '../oci/index.ts';
import { type AuthorizedImage, assertAuthorized } from '../signature/index.ts';
import type { RunSnapshotOperation } from '../snapshot/index.ts';
import { chainLayerKey, type KnownLayer, type LayerKey, type Store, type StoredLayer } from '../store/index.ts';
import type { Lanes } from './lanes.ts';
import { diffIdKey, LAYER_FORMAT } from './layer-format.ts';
import { type LayerJobPorts, layerJob, tellLayer } from './layer-job.ts';
import { orderLayers } from './order-layers.ts';

export interface LayerPorts extends LayerJobPorts {
  readonly store: Store;
  readonly lanes: Lanes;
  readonly stage: (job: LayerJob, options: StageOptions) => Promise<StagedLayer>;
  readonly runSnapshot: RunSnapshotOperation;
}

/** The layers of an image as they are mounted, and what was fetched for them. */
export interface LayerChain {
  /** Bottom to top, repeated layers repeated. */
  readonly layers: readonly StoredLayer[];
  /** How often each blob was fetched now: absent for cached layers, 2 where a chained copy was needed. */
  readonly fetches: ReadonlyMap<Digest, number>;
}

/**
 * Brings every layer into the store: each by itself first, largest first; then, bottom up, those that only mean
 * something upon the layers below. Layers are those of the image, bottom to top. The first failure stops the rest.
 */
export async function pullLayers(
  image: AuthorizedImage,
  layers: readonly ImageLayer[],
  ports: LayerPorts,
  signal: AbortSignal,
): Promise<LayerChain> {
  assertAuthorized(image);
  return new LayerPull(layers, ports, signal).run();
}

/** How a layer is read: by itself, or upon the layers below, given topmost first. */
interface Reading {
  readonly key: LayerKey;
  readonly lowers: readonly string[] | undefined;
  readonly split: boolean;
}

class LayerPull {
  readonly #layers: readonly ImageLayer[];
  readonly #ports: LayerPorts;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #fetches = new Map<Digest, number>();

  constructor(layers: readonly ImageLayer[], ports: LayerPorts, signal: AbortSignal) {
    this.#layers = layers;
    this.#ports = ports;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  async run(): Promise<LayerChain> {
    const known = await this.#obtainAll();
    return { layers: await this.#settleChain(known), fetches: this.#fetches };
  }

  /** Each distinct diffID once, as many at a time as there are lanes. */
  async #obtainAll(): Promise<ReadonlyMap<Digest, KnownLayer>> {
    const distinct = new Map(this.#layers.map((layer) => [layer.diffId, layer]));
    const sized = [...distinct.values()].map((layer) => ({ ...layer, size: layer.descriptor.size }));
    const pending = orderLayers(sized).map(async ({ layer, split }) => {
      const reading = { key: diffIdKey(layer.diffId), lowers: undefined, split };
      return [layer.diffId, await this.#obtain(layer, reading)] as const;
    });
    try {
      return new Map(await Promise.all(pending));
    } catch (error) {
      this.#stop.abort(new SealiftError('PULL_CANCELLED', 'layer: another layer of the image has failed'));
      // The first failure is the answer; the others only followed. All have ended before anybody is told.
      await Promise.allSettled(pending);
      throw error;
    }
  }

  async #settleChain(known: ReadonlyMap<Digest, KnownLayer>): Promise<readonly StoredLayer[]> {
    const chain: StoredLayer[] = [];
    for (const [position, layer] of this.#layers.entries()) {
      const own = known.get(layer.diffId);
      if (own?.kind === 'published' && (await this.#standsAlone(own.layer, chain))) chain.push(own.layer);
      else chain.push(await this.#obtainChained(layer, position, chain));
    }
    return chain;
  }

  /** Whether the layer is the same tree upon the layers below as it is by itself. */
  async #standsAlone(layer: StoredLayer, below: readonly StoredLayer[]): Promise<boolean> {
    const { facts } = layer.record;
    if (facts.implied.length === 0) return true;
    const plan = await this.#ports.runSnapshot('planChain', { facts, lowers: topmostFirst(below) });
    return plan.kind === 'independent';
  }

  async #obtainChained(layer: ImageLayer, position: number, below: readonly StoredLayer[]): Promise<StoredLayer> {
    const members = this.#layers.slice(0, position + 1).map(({ diffId }) => ({ diffId, domain: undefined }));
    const key = chainLayerKey(LAYER_FORMAT, members);
    const known = await this.#obtain(layer, { key, lowers: topmostFirst(below), split: true });
    if (known.kind === 'published') return known.layer;
    const [link] = known.record.facts.unresolvedLinks;
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `layer ${layer.descriptor.digest}: entry ${link?.path}: hard link to ${link?.target}, which no layer below has`,
    );
  }

  async #obtain(layer: ImageLayer, reading: Reading): Promise<KnownLayer> {
    const { store, lanes, onProgress } = this.#ports;
    const tell = tellLayer(layer, onProgress);
    tell('waiting', 0);
    let isOurs = false;
    const make = (): Promise<KnownLayer> => {
      isOurs = true;
      return lanes.run(reading.split ? lanes.count : 1, this.#signal, () => this.#make(layer, reading));
    };
    try {
      const known = await store.withLayer(reading.key, make, this.#signal);
      tell(isOurs ? 'done' : 'cached', layer.descriptor.size);
      return known;
    } catch (error) {
      tell('failed', 0);
      throw prefixError(`layer ${layer.descriptor.digest}`, error);
    }
  }

  async #make(layer: ImageLayer, { key, lowers, split }: Reading): Promise<KnownLayer> {
    const { store, stage } = this.#ports;
    const staging = await store.stageLayer(key, layer.diffId);
    try {
      const target: LayerTarget = { kind: 'overlay', directory: staging.directory, lowers };
      const { job, hooks } = await layerJob(layer, target, this.#ports, this.#signal);
      this.#fetches.set(job.blobDigest, (this.#fetches.get(job.blobDigest) ?? 0) + 1);
      const { facts } = await stage(job, { ...hooks, split, signal: this.#signal });
      if (facts.unresolvedLinks.length > 0) return store.rememberNeedsChain(key, layer.diffId, facts);
      return await staging.publish(facts);
    } finally {
      await staging.discard();
    }
  }
}

function topmostFirst(layers: readonly StoredLayer[]): readonly string[] {
  return layers.map(({ path }) => path).reverse();
}
