import { prefixError, SealiftError } from '../errors/index.ts';
import type { LayerJob, LayerTarget, StagedLayer, StageOptions } from '../layer/index.ts';
import { type Digest, type ImageConfig, type ImageLayer, matchDiffIds } from '../oci/index.ts';
import { type AuthorizedImage, assertAuthorized } from '../signature/index.ts';
import type { LayerLease, LayerMounts, RunSnapshotOperation } from '../snapshot/index.ts';
import {
  type KnownLayer,
  type LayerKey,
  type Lease,
  STAGED_IMAGE,
  type Store,
  type StoredLayer,
} from '../store/index.ts';
import { chainKey, diffIdKey, type LayerFormat } from './layer-format.ts';
import { type LayerJobPorts, layerJob, type PlannedLayer, tellLayer } from './layer-job.ts';
import { makeWithRoom } from './make-room.ts';

export interface LayerPorts extends LayerJobPorts {
  readonly store: Store;
  readonly lease: Lease;
  readonly layerFormat: LayerFormat;
  readonly layerMounts: LayerMounts;
  readonly stage: (job: LayerJob, options: StageOptions) => Promise<StagedLayer>;
  readonly runSnapshot: RunSnapshotOperation;
  readonly checkpoint: (name: string) => void;
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
 * something upon the layers below. The first failure stops the rest.
 */
export async function pullLayers(
  { image, config }: { readonly image: AuthorizedImage; readonly config: ImageConfig },
  ports: LayerPorts,
  signal: AbortSignal,
): Promise<LayerChain> {
  assertAuthorized(image);
  return new LayerPull(matchDiffIds(image.manifest, config), ports, signal).run();
}

/** How a layer is read: by itself, or upon the layers below, given topmost first. */
interface Reading {
  readonly key: LayerKey;
  readonly lowers: readonly string[] | undefined;
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
    const mounts = this.#ports.layerMounts.lease();
    try {
      return { layers: await this.#settleChain(known, mounts), fetches: this.#fetches };
    } finally {
      mounts.release();
    }
  }

  /** Each distinct diffID once, as many at a time as there are pairs of threads. */
  async #obtainAll(): Promise<ReadonlyMap<Digest, KnownLayer>> {
    const distinct = new Map(this.#layers.map((layer) => [layer.diffId, layer]));
    // Largest first: what is left for the end is small, and no core waits long for the last one.
    const largestFirst = [...distinct.values()].sort((one, other) => other.descriptor.size - one.descriptor.size);
    const pending = largestFirst.map(async (layer) => {
      const reading = { key: diffIdKey(this.#ports.layerFormat, layer.diffId), lowers: undefined };
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

  async #settleChain(known: ReadonlyMap<Digest, KnownLayer>, mounts: LayerLease): Promise<readonly StoredLayer[]> {
    await this.#openLowers(known, mounts);
    const chain: StoredLayer[] = [];
    for (const [position, layer] of this.#layers.entries()) {
      const own = known.get(layer.diffId);
      if (own?.kind === 'published' && (await this.#standsAlone(own.layer, chain, mounts))) chain.push(own.layer);
      else chain.push(await this.#obtainChained(layer, position, await directoriesOf(chain, mounts)));
    }
    return chain;
  }

  /** What will be looked through is mounted at once, and not layer after layer as the chain grows. */
  async #openLowers(known: ReadonlyMap<Digest, KnownLayer>, mounts: LayerLease): Promise<void> {
    const layers = this.#layers.flatMap(({ diffId }) => {
      const own = known.get(diffId);
      return own?.kind === 'published' ? [own.layer] : [];
    });
    const topmost = layers.findLastIndex((layer) => !isPlain(layer));
    if (topmost > 0) await mounts.open(layers.slice(0, topmost));
  }

  /** Whether the layer is the same tree upon the layers below as it is by itself. */
  async #standsAlone(layer: StoredLayer, below: readonly StoredLayer[], mounts: LayerLease): Promise<boolean> {
    if (isPlain(layer)) return true;
    const { facts } = layer.record;
    const lowers = await directoriesOf(below, mounts);
    const plan = await this.#ports.runSnapshot('planChain', { facts, lowers });
    return plan.kind === 'independent';
  }

  async #obtainChained(layer: ImageLayer, position: number, lowers: readonly string[]): Promise<StoredLayer> {
    const diffIds = this.#layers.slice(0, position + 1).map(({ diffId }) => diffId);
    const key = chainKey(this.#ports.layerFormat, diffIds);
    const known = await this.#obtain(layer, { key, lowers });
    if (known.kind === 'published') return known.layer;
    const [link] = known.record.facts.unresolvedLinks;
    throw new SealiftError(
      'UNPACK_ENTRY_INVALID',
      `layer ${layer.descriptor.digest}: entry ${link?.path}: hard link to ${link?.target}, which no layer below has`,
    );
  }

  async #obtain(layer: ImageLayer, reading: Reading): Promise<KnownLayer> {
    const { store, lease, onProgress } = this.#ports;
    const tell = tellLayer(layer, onProgress);
    tell('waiting', 0);
    let isOurs = false;
    const make = (): Promise<KnownLayer> => {
      isOurs = true;
      return makeWithRoom(layer.descriptor, this.#ports, () => this.#make(layer, reading));
    };
    try {
      // Before anybody looks for it: what is found then cannot be removed until the pull has ended.
      await lease.hold(reading.key, this.#signal);
      const known = await store.withLayer(reading.key, make, this.#signal);
      tell(isOurs ? 'done' : 'cached', layer.descriptor.size);
      return known;
    } catch (error) {
      tell('failed', 0);
      throw prefixError(`layer ${layer.descriptor.digest}`, error);
    }
  }

  /** From place to place, until one has sent the bytes that the image's documents name. */
  async #make(layer: ImageLayer, reading: Reading): Promise<KnownLayer> {
    for (;;) {
      const made = await this.#makeOnce(layer, reading);
      if (made !== undefined) return made;
    }
  }

  async #makeOnce(layer: ImageLayer, { key, lowers }: Reading): Promise<KnownLayer | undefined> {
    const { store, checkpoint } = this.#ports;
    const staging = await store.stageLayer(key, layer.diffId);
    try {
      const target = this.#target(staging.directory, lowers);
      const staged = await this.#stage(await layerJob(layer, target, this.#ports, this.#signal));
      if (staged === undefined) return undefined;
      const { facts, image } = staged;
      checkpoint('layer-staged');
      if (facts.unresolvedLinks.length > 0) return store.rememberNeedsChain(key, layer.diffId, facts);
      return await staging.publish(facts, image);
    } finally {
      await staging.discard();
    }
  }

  /** Undefined: the place had nothing good, and another one is left. */
  async #stage({ job, hooks, passOver }: PlannedLayer): Promise<StagedLayer | undefined> {
    this.#fetches.set(job.blobDigest, (this.#fetches.get(job.blobDigest) ?? 0) + 1);
    try {
      return await this.#ports.stage(job, { ...hooks, signal: this.#signal });
    } catch (error) {
      if (passOver(error)) return undefined;
      throw error;
    }
  }

  #target(directory: string, lowers: Reading['lowers']): LayerTarget {
    const { format, verity } = this.#ports.layerFormat;
    if (format === 'directory') return { kind: 'overlay', directory, lowers };
    return { kind: 'image', path: `${directory}/${STAGED_IMAGE}`, lowers, verity };
  }
}

/** Nothing in it depends on the layers below. The root is a directory in every layer, named or not. */
function isPlain({ record: { facts } }: StoredLayer): boolean {
  return facts.implied.every(({ path }) => path === '') && facts.marked.length === 0;
}

/** Where the trees of these layers can be read, topmost first. */
async function directoriesOf(layers: readonly StoredLayer[], mounts: LayerLease): Promise<readonly string[]> {
  return (await mounts.open(layers.toReversed())).map(({ directory }) => directory);
}
