import { asSealiftError, prefixError, SealiftError } from '../errors/index.ts';
import type { StagedLayer } from '../layer/index.ts';
import type { LayerSummary } from '../layer-facts/index.ts';
import { LAYER_FORMATS, type LayerKey, type StoredTarget } from '../layer-formats/index.ts';
import { limitExceeded, type PlanBudget } from '../limits/index.ts';
import type { Digest } from '../oci/index.ts';
import { assertAuthorized } from '../signature/index.ts';
import type { LayerLease } from '../snapshot/index.ts';
import type { KnownLayer, StoredLayer } from '../store/index.ts';
import { chainKey, diffIdKey } from './layer-format.ts';
import { type LayerReport, layerWarnings, type PreparedJob, prepareLayerJob, reportLayer } from './layer-job.ts';
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
  /** What deserves attention in the layers that were fetched. */
  readonly warnings: readonly string[];
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
  readonly #factsBytes = new Map<LayerKey, number>();
  #planSteps = 0;
  /** A set, because a chained copy is fetched twice. */
  readonly #warnings = new Set<string>();

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
      const layers = await this.#settleChain(known, mounts);
      return { layers, fetches: this.#fetches, warnings: [...this.#warnings] };
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
    const chain: StoredLayer[] = [];
    const { layers } = this.#prepared;
    while (chain.length < layers.length) {
      chain.push(...(await this.#standing(this.#published(known, chain.length), chain, mounts)));
      if (chain.length === layers.length) break;
      chain.push(await this.#obtainChained(chain.length, await directoriesOf(chain, mounts)));
    }
    return chain;
  }

  /** Returns the layers from `position` up to the first one that has no layer of its own. */
  #published(known: ReadonlyMap<LayerKey, KnownLayer>, position: number): readonly StoredLayer[] {
    const published: StoredLayer[] = [];
    for (const layer of this.#prepared.layers.slice(position)) {
      const own = known.get(this.#keyOf(layer));
      if (own?.kind !== 'published') break;
      published.push(own.layer);
    }
    return published;
  }

  /** Returns the lowest of `layers` that are the same trees on top of `below` as they are by themselves. */
  async #standing(
    layers: readonly StoredLayer[],
    below: readonly StoredLayer[],
    mounts: LayerLease,
  ): Promise<readonly StoredLayer[]> {
    const topmost = layers.findLastIndex(({ record }) => !record.facts.isPlain);
    if (topmost === -1) return layers;
    const all = [...below, ...layers.slice(0, topmost + 1)];
    // The tree of the topmost layer is not looked at.
    const directories = await directoriesOf(all.slice(0, -1), mounts);
    const { ports, storage } = this.#context;
    const plan = await ports.runSnapshot(
      'planLayers',
      {
        layers: all.map(({ record, paths }, position) => {
          return { directory: directories.at(-1 - position) ?? '', facts: record.facts.isPlain ? undefined : paths };
        }),
        from: below.length,
        steps: this.#planBudget,
        maxPlanBytes: ports.limits.maxPlanBytes,
      },
      { lane: storage.lane, signal: this.#signal },
    );
    this.#planSteps = plan.steps;
    return plan.kind === 'independent' ? layers : layers.slice(0, plan.position - below.length);
  }

  /** Returns the topmost of the first `position + 1` layers, written with those below in view. */
  async #obtainChained(position: number, lowers: readonly string[]): Promise<StoredLayer> {
    const layers = this.#prepared.layers.slice(0, position + 1);
    const [layer] = layers.slice(-1);
    if (layer === undefined) throw new SealiftError('INTERNAL', `layer ${position}: expected one, got none`);
    const key = chainKey(this.#context.storage.layerFormat, layers);
    const known = await this.#obtain({ layer, key, lowers });
    if (known.kind === 'published') return known.layer;
    const { unresolvedLink: link } = known.record.facts;
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
    let fetchedBytes = 0;
    const reportMaking: LayerReport = (state, bytes) => {
      if (state === 'fetching') fetchedBytes = bytes;
      report(state, bytes);
    };
    const make = (): Promise<KnownLayer> => {
      isOurs = true;
      const making = { what: 'layer', descriptor: layer.descriptor, fetchedBytes: () => fetchedBytes } as const;
      const room = { store: storage.store, onProgress: ports.onProgress, signal: this.#signal };
      return makeWithRoom(making, room, () => {
        fetchedBytes = 0;
        return this.#make({ layer, key, lowers, report: reportMaking });
      });
    };
    try {
      // docs/adr/0013-removing-beside-pulls.md: what is held before it is looked for stays until the pull has ended.
      await storage.lease.hold(key, this.#signal);
      const known = await storage.store.withLayer(key, make, this.#signal);
      this.#chargeFacts(key, known.kind === 'published' ? known.layer.record.facts : known.record.facts);
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
      const { factsPath } = staging;
      const options = { source, target, factsPath, report, signal: this.#signal };
      const staged = await this.#stage(await prepareLayerJob(layer, options));
      if (staged === undefined) return undefined;
      const { facts, image, planSteps } = staged;
      if (planSteps !== undefined) this.#planSteps = planSteps;
      for (const warning of layerWarnings(layer.descriptor, staged)) this.#warnings.add(warning);
      ports.checkpoint('layer-staged');
      this.#chargeFacts(key, facts);
      if (facts.unresolvedLink !== undefined) return store.rememberNeedsChain(key, layer.diffId, facts);
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

  /** Counts the path facts of a layer once. Throws `LAYER_LIMIT_EXCEEDED` when those of the image are too many. */
  #chargeFacts(key: LayerKey, { paths }: LayerSummary): void {
    this.#factsBytes.set(key, paths?.weight ?? 0);
    const { maxImageFactsBytes: expected } = this.#context.ports.limits;
    const actual = [...this.#factsBytes.values()].reduce((total, bytes) => total + bytes, 0);
    if (actual <= expected) return;
    const excess = { limit: 'maxImageFactsBytes', expected, actual } as const;
    throw limitExceeded('image: bytes of parent directories without an entry, of all layers', excess);
  }

  #keyOf(layer: LayerPlan): LayerKey {
    return diffIdKey(this.#context.storage.layerFormat, layer);
  }

  #target(directory: string, directories: Reading['lowers']): StoredTarget {
    const { format, verity } = this.#context.storage.layerFormat;
    const lowers = directories && { directories, steps: this.#planBudget };
    return LAYER_FORMATS[format].target(directory, { lowers, verity });
  }

  /** Chained layers are made one after the other, and so are plans. */
  get #planBudget(): PlanBudget {
    return { limit: this.#context.ports.limits.maxPlanSteps, taken: this.#planSteps };
  }
}

/** Returns where the trees of these layers can be read, topmost first. */
async function directoriesOf(layers: readonly StoredLayer[], mounts: LayerLease): Promise<readonly string[]> {
  return (await mounts.open(layers.toReversed())).map(({ directory }) => directory);
}
