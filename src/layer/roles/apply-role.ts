import { assertNever } from '../../errors/index.ts';
import { type LayerSummary, saveFacts, summarizeFacts } from '../../layer-facts/index.ts';
import { type Limits, PlanMemory, PlanSteps } from '../../limits/index.ts';
import { collectAllGarbage } from '../../platform/index.ts';
import {
  type BlockFeed,
  createDirectoryWriter,
  createErofsWriter,
  createLowerView,
  type DirectoryWriter,
  type ErofsWriter,
  type LayerFacts,
  type LowerView,
  type VerityTreeWriter,
} from '../../unpack/index.ts';
import { createApplyLine } from '../apply-line.ts';
import { abortReason } from '../blames-bytes.ts';
import { Ring, SLOT_BYTES } from '../ring.ts';
import type { AppliedLayer, ApplyTask, LayerTarget } from '../types.ts';
import { describeTree, openTree } from './tree-role.ts';

/** After this many entries the garbage they left, some megabytes, is collected, which takes about 10 ms. */
const MANY_ENTRIES = 2_000;

export interface ApplyRoleOptions {
  readonly limits: Limits;
  readonly checkpoint: (name: string) => void;
}

type LayerWriter = DirectoryWriter | ErofsWriter;

interface WriterPorts {
  readonly blocks: BlockFeed | undefined;
  readonly lower: LowerView | undefined;
}

/** Drains rings into layers. The writers of merged targets live here from the first layer to `release`. */
export class ApplyRole {
  readonly #options: ApplyRoleOptions;
  readonly #mergedWriters = new Map<string, DirectoryWriter>();
  #entriesSinceCollection = 0;

  constructor(options: ApplyRoleOptions) {
    this.#options = options;
  }

  /** Throws `PeerFailure` if the ring is aborted, and otherwise the layer's own failure after aborting both rings. */
  run({ job, ring: ringMemory, treeRing: treeMemory }: ApplyTask): AppliedLayer {
    const { limits, checkpoint } = this.#options;
    const { target, diffId } = job;
    const ring = new Ring(ringMemory);
    const treeRing = treeMemory === undefined ? undefined : new Ring(treeMemory);
    const chain = openChain(target, limits);
    const tree = treeRing === undefined && hasTree(target) ? openTree(target.path, checkpoint) : undefined;
    let writer: LayerWriter | undefined;
    let isAccepted = false;
    try {
      const blocks = tree === undefined ? treeRing?.writer() : hashAtOnce(tree);
      writer = this.#openWriter(target, { blocks, lower: chain?.lower });
      checkpoint('layer-apply');
      const line = createApplyLine(diffId, limits, writer);
      ring.drainTo(line);
      const staged = {
        facts: keepFacts(writer.facts(), job.factsPath, limits),
        layerBytes: line.layerBytes(),
        ...this.#describeImage(writer, tree),
        ...(chain === undefined ? {} : { planSteps: chain.steps.taken }),
      };
      checkpoint('layer-applied');
      isAccepted = true;
      this.#collectGarbageOf(staged.facts.entries);
      return staged;
    } catch (error) {
      ring.abort(abortReason(error));
      throw error;
    } finally {
      tree?.close();
      ring.abort('peer-failed');
      // After an accepted layer the tree role may still have blocks to read.
      if (!isAccepted) treeRing?.abort('peer-failed');
      const isKept = isAccepted && target.kind === 'merged';
      if (!isKept) writer?.close();
      if (!isKept && target.kind === 'merged') this.#mergedWriters.delete(target.directory);
    }
  }

  /** Closes the writer of a merged target, which gets no further layer. */
  release(directory: string): void {
    this.#mergedWriters.get(directory)?.close();
    this.#mergedWriters.delete(directory);
  }

  #describeImage(writer: LayerWriter, tree: VerityTreeWriter | undefined): Pick<AppliedLayer, 'image'> {
    if (!('result' in writer)) return {};
    const { checkpoint } = this.#options;
    return { image: tree === undefined ? { bytes: writer.result().imageBytes } : describeTree(tree, checkpoint) };
  }

  #collectGarbageOf(entries: number): void {
    this.#entriesSinceCollection += entries;
    if (this.#entriesSinceCollection < MANY_ENTRIES) return;
    this.#entriesSinceCollection = 0;
    setImmediate(collectAllGarbage);
  }

  #openWriter(target: LayerTarget, { blocks, lower }: WriterPorts): LayerWriter {
    const { limits } = this.#options;
    switch (target.kind) {
      case 'overlay': {
        const { directory: root } = target;
        return createDirectoryWriter({ root, form: 'overlay', privileged: true, lower, limits });
      }
      case 'image': {
        const { path } = target;
        return createErofsWriter({ path, lower, limits, blocks });
      }
      case 'merged':
        return this.#mergedWriter(target.directory, target.privileged);
      default:
        return assertNever(target, 'layer target');
    }
  }

  #mergedWriter(root: string, privileged: boolean): DirectoryWriter {
    const known = this.#mergedWriters.get(root);
    if (known !== undefined) {
      known.beginLayer();
      return known;
    }
    const { limits } = this.#options;
    const writer = createDirectoryWriter({ root, form: 'merged', privileged, limits });
    this.#mergedWriters.set(root, writer);
    return writer;
  }
}

interface OpenChain {
  readonly lower: LowerView;
  readonly steps: PlanSteps;
}

/** Opens the view of the layers below a chained layer, and the count of what is looked at in it. */
function openChain(target: LayerTarget, limits: Limits): OpenChain | undefined {
  if (target.kind === 'merged' || target.lowers === undefined) return undefined;
  const { directories, steps: budget } = target.lowers;
  const steps = new PlanSteps(budget);
  return { lower: createLowerView(directories, steps, new PlanMemory(limits)), steps };
}

function hasTree(target: LayerTarget): target is Extract<LayerTarget, { kind: 'image' }> {
  return target.kind === 'image' && target.verity;
}

/** Path facts stay in a file: sending them to the main thread would hold it up for seconds. */
function keepFacts(facts: LayerFacts, path: string | undefined, limits: Limits): LayerSummary {
  // A layer that hard-links into lower layers is never planned with: only its copy for one chain is.
  return path === undefined || facts.unresolvedLinks.length > 0
    ? summarizeFacts(facts)
    : saveFacts(path, facts, limits);
}

/** Hashes blocks in the thread that writes them. */
function hashAtOnce(tree: VerityTreeWriter): BlockFeed {
  const memory = Buffer.allocUnsafeSlow(SLOT_BYTES);
  return {
    acquire: () => memory,
    publish: (length) => tree.write(memory.subarray(0, length)),
    end: () => tree.end(),
  };
}
