import { asSealiftError, prefixError, SealiftError } from '../errors/index.ts';
import type { StagedLayer } from '../layer/index.ts';
import { LAYER_FORMATS, type LayerKey, type StoredTarget } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import { assertAuthorized } from '../signature/index.ts';
import type { LayerLease } from '../snapshot/index.ts';
import type { KnownLayer, StoredLayer } from '../store/index.ts';
import { chainKey, diffIdKey } from './layer-format.ts';
import { type LayerReport, type PreparedJob, prepareLayerJob, reportLayer } from './layer-job.ts';
import { makeWithRoom } from './make-room.ts';
import type { LayerPlan } from './plan-layers.ts';
import type { PreparedImage } from './prepare-image.ts';
import type { StoringContext } from './pull-context.ts';

/** The layers of an image as they are mounted, and what was fetched for them. */
export interface LayerChain {
  /** Bottom to top; a layer that occurs twice is here twice. */
  readonly layers: readonly StoredLayer[];
  /** How often each blob was fetched by this pull: absent for a cached layer, 2 where a chained copy was needed. */
  readonly fetches: ReadonlyMap<Digest, number>;
}

/**
 * Brings every layer into the store: first each by itself, the largest first, and then, bottom up, those that depend on
 * the layers below. The first failure stops the rest.
 */
export async function pullLayers(prepared: PreparedImage, context: StoringContext): Promise<LayerChain> {
  // docs/adr/0005-authorized-image.md
  assertAuthorized(prepared.image);
  return new LayerPull(prepared, context).run();
}

/** How a layer is read: by itself, or with the layers below in view, given topmost first. */
interface Reading {
  readonly layer: LayerPlan;
  readonly key: LayerKey;
  readonly lowers: readonly string[] | undefined;
  readonly report: LayerReport;
}

class LayerPull {
  readonly #prepared: PreparedImage;
  readonly #context: StoringContext;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #fetches = new Map<Digest, number>();

  constructor(prepared: PreparedImage, context: StoringContext) {
    this.#prepared = prepared;
    this.#context = context;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
  }

  async run(): Promise<LayerChain> {
    const known = await this.#obtainAll();
    const { ports, storage } = this.#context;
    const mounts = ports.openLayerMounts(storage.store).lease();
    try {
      return { layers: await this.#settleChain(known, mounts), fetches: this.#fetches };
    } finally {
      mounts.release();
    }
  }

  /** Each distinct layer once, as many at a time as there are pairs of threads. */
  async #obtainAll(): Promise<ReadonlyMap<LayerKey, KnownLayer>> {
    const distinct = new Map(this.#prepared.layers.map((layer) => [this.#keyOf(layer), layer]));
    // Largest first: small layers are left for the end, so no core waits long for the last one.
    const largestFirst = [...distinct].sort(([, one], [, other]) => other.descriptor.size - one.descriptor.size);
    const pending = largestFirst.map(
      async ([key, layer]) => [key, await this.#obtain({ layer, key, lowers: undefined })] as const,
    );
    try {
      return new Map(await Promise.all(pending));
    } catch (error) {
      this.#stop.abort(new SealiftError('PULL_CANCELLED', 'layer: another layer of the image has failed'));
      // The first failure is thrown; the others only follow from it. All have ended by then.
      await Promise.allSettled(pending);
      throw error;
    }
  }

  async #settleChain(known: ReadonlyMap<LayerKey, KnownLayer>, mounts: LayerLease): Promise<readonly StoredLayer[]> {
    await this.#openLowers(known, mounts);
    const chain: StoredLayer[] = [];
    for (const [position, layer] of this.#prepared.layers.entries()) {
      const own = known.get(this.#keyOf(layer));
      if (own?.kind === 'published' && (await this.#standsAlone(own.layer, chain, mounts))) chain.push(own.layer);
      else chain.push(await this.#obtainChained(position, await directoriesOf(chain, mounts)));
    }
    return chain;
  }

  /** Mounts all layers that will be looked through at once, and not one after the other as the chain grows. */
  async #openLowers(known: ReadonlyMap<LayerKey, KnownLayer>, mounts: LayerLease): Promise<void> {
    const layers = this.#prepared.layers.flatMap((layer) => {
      const own = known.get(this.#keyOf(layer));
      return own?.kind === 'published' ? [own.layer] : [];
    });
    const topmost = layers.findLastIndex((layer) => !isPlain(layer));
    if (topmost > 0) await mounts.open(layers.slice(0, topmost));
  }

  /** True if the layer is the same tree on top of the layers below as it is by itself. */
  async #standsAlone(layer: StoredLayer, below: readonly StoredLayer[], mounts: LayerLease): Promise<boolean> {
    if (isPlain(layer)) return true;
    const { facts } = layer.record;
    const lowers = await directoriesOf(below, mounts);
    const plan = await this.#context.ports.runSnapshot('planChain', { facts, lowers });
    return plan.kind === 'independent';
  }

  /** Returns the topmost of the first `position + 1` layers, written with those below in view. */
  async #obtainChained(position: number, lowers: readonly string[]): Promise<StoredLayer> {
    const layers = this.#prepared.layers.slice(0, position + 1);
    const [layer] = layers.slice(-1);
    if (layer === undefined) throw new SealiftError('INTERNAL', `layer ${position}: expected one, got none`);
    const key = chainKey(this.#context.storage.layerFormat, layers);
    const known = await this.#obtain({ layer, key, lowers });
    if (known.kind === 'published') return known.layer;
    const [link] = known.record.facts.unresolvedLinks;
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `layer ${layer.descriptor.digest}: entry ${link?.path}: expected the target of its hard link, ${link?.target}, in a layer below, got none`,
    );
  }

  async #obtain({ layer, key, lowers }: Omit<Reading, 'report'>): Promise<KnownLayer> {
    const { ports, storage } = this.#context;
    const report = reportLayer(layer.descriptor, ports.onProgress);
    report('waiting', 0);
    let isOurs = false;
    const make = (): Promise<KnownLayer> => {
      isOurs = true;
      const room = { store: storage.store, onProgress: ports.onProgress };
      return makeWithRoom(layer.descriptor, room, () => this.#make({ layer, key, lowers, report }));
    };
    try {
      // docs/adr/0013-removing-beside-pulls.md: what is held before it is looked for stays until the pull has ended.
      await storage.lease.hold(key, this.#signal);
      const known = await storage.store.withLayer(key, make, this.#signal);
      report(isOurs ? 'done' : 'cached', layer.descriptor.size);
      return known;
    } catch (error) {
      report('failed', 0);
      throw prefixError(`layer ${layer.descriptor.digest}`, error);
    }
  }

  /** Asks endpoint after endpoint, until one has sent the bytes that the image's documents name. */
  async #make(reading: Reading): Promise<KnownLayer> {
    for (;;) {
      const made = await this.#makeOnce(reading);
      if (made !== undefined) return made;
    }
  }

  async #makeOnce({ layer, key, lowers, report }: Reading): Promise<KnownLayer | undefined> {
    const { ports, storage } = this.#context;
    const { store } = storage;
    const staging = await store.stageLayer(key, layer.diffId);
    try {
      const target = this.#target(staging.directory, lowers);
      const { source } = this.#prepared;
      const staged = await this.#stage(await prepareLayerJob(layer, { source, target, report, signal: this.#signal }));
      if (staged === undefined) return undefined;
      const { facts, image } = staged;
      ports.checkpoint('layer-staged');
      if (facts.unresolvedLinks.length > 0) return store.rememberNeedsChain(key, layer.diffId, facts);
      // docs/adr/0002-publish-after-the-last-check.md
      return await staging.publish(facts, image);
    } finally {
      await staging.discard();
    }
  }

  /** Undefined: the endpoint had no good copy, and another endpoint is left. */
  async #stage({ job, hooks, skip }: PreparedJob): Promise<StagedLayer | undefined> {
    this.#fetches.set(job.blobDigest, (this.#fetches.get(job.blobDigest) ?? 0) + 1);
    try {
      return await this.#context.ports.pool.stage(job, { ...hooks, signal: this.#signal });
    } catch (error) {
      const failure = asSealiftError(error);
      if (skip(failure)) return undefined;
      throw failure;
    }
  }

  #keyOf(layer: LayerPlan): LayerKey {
    return diffIdKey(this.#context.storage.layerFormat, layer);
  }

  #target(directory: string, lowers: Reading['lowers']): StoredTarget {
    const { format, verity } = this.#context.storage.layerFormat;
    return LAYER_FORMATS[format].target(directory, { lowers, verity });
  }
}

/** True if nothing in the layer depends on the layers below. The root is a directory in every layer, named or not. */
function isPlain({ record: { facts } }: StoredLayer): boolean {
  const { implied, traversed, marked } = facts;
  return implied.every(({ path }) => path === '') && traversed.length === 0 && marked.length === 0;
}

/** Returns where the trees of these layers can be read, topmost first. */
async function directoriesOf(layers: readonly StoredLayer[], mounts: LayerLease): Promise<readonly string[]> {
  return (await mounts.open(layers.toReversed())).map(({ directory }) => directory);
}
