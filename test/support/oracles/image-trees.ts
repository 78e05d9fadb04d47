import { type BigIntStats, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { SealiftError } from '../../../src/errors/index.ts';
import type { PathFactsFile } from '../../../src/layer-facts/index.ts';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type SystemPath, umount, withReachablePath } from '../../../src/platform/index.ts';
import { createSnapshotOperations } from '../../../src/snapshot/index.ts';
import { topmostCopies } from '../../../src/snapshot/topmost-copies.ts';
import {
  createDirectoryWriter,
  createErofsWriter,
  type EntrySink,
  type LayerFacts,
  type LowerView,
} from '../../../src/unpack/index.ts';
import { feed, listXattrs } from '../builders/entries.ts';
import { lowerView } from '../builders/lower-view.ts';
import type { ImageLayers } from '../builders/random-image.ts';
import type { TarMember } from '../builders/tar-builder.ts';
import { factsFile } from '../stores/snapshot-fixtures.ts';

/** Every path of a tree with a line that has all properties of the node there; the root is `.`. */
export type TreeLines = ReadonlyMap<string, string>;

/** The tree of an image, or the code with which it was refused. */
export type TreeOutcome = { readonly tree: TreeLines } | { readonly refused: string };

export interface BundleOptions {
  /**
   * What is mounted. `erofs` costs a loop device for each layer; `directory` also writes each layer as an image, which
   * must have the same facts or be refused with the same code.
   */
  readonly form: 'directory' | 'erofs';
  /** What the planner is given of a layer's facts; all of them when absent. A control shows what a lack does. */
  readonly factsForPlan?: (facts: LayerFacts) => LayerFacts;
}

const SNAPSHOT = createSnapshotOperations();

const BOUNDS = { steps: { limit: DEFAULT_LIMITS.maxPlanSteps, taken: 0 }, maxPlanBytes: DEFAULT_LIMITS.maxPlanBytes };

/** Applies the layers to one directory, as `--unpack` does. `folder` does not exist yet. */
export function unpackMerged(folder: string, layers: ImageLayers): TreeOutcome {
  return outcome(() => {
    mkdirSync(folder, { mode: 0o755 });
    const writer = createDirectoryWriter({ root: folder, form: 'merged', privileged: true, limits: DEFAULT_LIMITS });
    try {
      for (const [at, members] of layers.entries()) {
        if (at > 0) writer.beginLayer();
        feed(writer, members);
      }
    } finally {
      writer.close();
    }
    return readLines(folder);
  });
}

/** Applies and mounts the layers as a bundle's root, each by itself where the planner allows it. */
export function mountBundle(folder: string, layers: ImageLayers, options: BundleOptions): TreeOutcome {
  const mounted: string[] = [];
  try {
    return outcome(() => {
      mkdirSync(folder);
      const stack = new LayerStack(folder, options, mounted);
      for (const members of layers) stack.add(members);
      return readLines(stack.mountRoot());
    });
  } finally {
    for (const at of mounted.toReversed()) umount(at);
  }
}

interface AppliedLayer {
  readonly directory: string;
  readonly facts: LayerFacts;
}

/** The steps of a pull that decide where an entry lies, without store and threads. */
class LayerStack {
  readonly #folder: string;
  readonly #options: BundleOptions;
  readonly #mounted: string[];
  /** A layer that occurs twice is written once. */
  readonly #alone = new Map<readonly TarMember[], AppliedLayer>();
  readonly #chain: AppliedLayer[] = [];
  #made = 0;
  #saved = 0;

  constructor(folder: string, options: BundleOptions, mounted: string[]) {
    this.#folder = folder;
    this.#options = options;
    this.#mounted = mounted;
  }

  add(members: readonly TarMember[]): void {
    const { factsForPlan = (facts) => facts } = this.#options;
    const lowers = this.#chain.map(({ directory }) => directory).reverse();
    const alone = this.#alone.get(members) ?? this.#apply(members, undefined);
    this.#alone.set(members, alone);
    if (this.#standsAlone({ ...alone, facts: factsForPlan(alone.facts) })) {
      this.#chain.push(alone);
      return;
    }
    const chained = this.#apply(members, lowerView(lowers));
    // A link without a target in any layer below is refused by the pull.
    if (chained.facts.unresolvedLinks.length > 0) throw new SealiftError('UNPACK_ENTRY_INVALID', 'link without target');
    this.#chain.push(chained);
  }

  #standsAlone({ directory, facts }: AppliedLayer): boolean {
    if (facts.unresolvedLinks.length > 0) return false;
    const below = this.#chain.map((layer) => ({ directory: layer.directory, facts: undefined }));
    const layers = [...below, { directory, facts: this.#saveFacts(facts) }];
    return SNAPSHOT.planLayers({ layers, from: below.length, ...BOUNDS }).kind === 'independent';
  }

  #saveFacts(facts: LayerFacts): PathFactsFile | undefined {
    this.#saved += 1;
    return factsFile(`${this.#folder}/facts-${this.#saved}`, facts);
  }

  mountRoot(): string {
    const [upper, work, path] = [`${this.#folder}/upper`, `${this.#folder}/work`, `${this.#folder}/root`];
    for (const directory of [upper, work, path]) mkdirSync(directory);
    const layers = topmostCopies(this.#chain.map((layer) => ({ path: layer.directory, ...layer })));
    const planned = layers.map(({ directory, facts }) => ({ directory, facts: this.#saveFacts(facts) }));
    SNAPSHOT.prepareUpper({ layers: planned, upper, ...BOUNDS });
    const lowers = layers.map(({ directory }) => directory).reverse();
    SNAPSHOT.mountSnapshot({ lowers, upper, work, target: { path, heldFd: undefined } });
    this.#mounted.push(path);
    return path;
  }

  #apply(members: readonly TarMember[], lower: LowerView | undefined): AppliedLayer {
    const at = `${this.#folder}/${this.#made}`;
    this.#made += 1;
    if (this.#options.form === 'erofs') return this.#applyImage(members, at, lower);
    mkdirSync(at);
    const writer = { root: at, form: 'overlay', privileged: true, lower, limits: DEFAULT_LIMITS } as const;
    const asDirectory = attempt(() => applyTo(createDirectoryWriter(writer), members));
    const asImage = attempt(() => writeLayerImage(`${at}.erofs`, members, lower));
    assertSame(asImage.shown, asDirectory.shown);
    return { directory: at, facts: asDirectory.get() };
  }

  #applyImage(members: readonly TarMember[], at: string, lower: LowerView | undefined): AppliedLayer {
    const image = `${at}.erofs`;
    const facts = writeLayerImage(image, members, lower);
    const key = `layer-${at.slice(this.#folder.length + 1)}` as LayerKey;
    const [mount] = SNAPSHOT.mountLayerImages({
      mountsDir: `${this.#folder}/mounts`,
      images: [{ image, imageBytes: undefined, tree: undefined, key }],
    });
    if (mount === undefined) throw new TypeError('expected one mount for one image');
    this.#mounted.push(mount.directory);
    return { directory: mount.directory, facts };
  }
}

function writeLayerImage(path: string, members: readonly TarMember[], lower: LowerView | undefined): LayerFacts {
  return applyTo(createErofsWriter({ path, limits: DEFAULT_LIMITS, lower }), members);
}

interface Attempt {
  /** The facts or the code of the refusal, as text. */
  readonly shown: string;
  /** Returns the facts; throws the refusal. */
  get(): LayerFacts;
}

function attempt(apply: () => LayerFacts): Attempt {
  try {
    const facts = apply();
    return { shown: JSON.stringify(facts), get: () => facts };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return {
      shown: error.code,
      get: () => {
        throw error;
      },
    };
  }
}

function assertSame(image: string, directory: string): void {
  if (image !== directory) throw new Error(`the image has ${image}, and the directory ${directory}`);
}

function isRefusal(error: unknown): error is SealiftError {
  return error instanceof SealiftError && error.code !== 'INTERNAL';
}

function applyTo(
  writer: EntrySink & { facts(): LayerFacts; close(): void },
  members: readonly TarMember[],
): LayerFacts {
  try {
    feed(writer, members);
    return writer.facts();
  } finally {
    writer.close();
  }
}

function outcome(make: () => TreeLines): TreeOutcome {
  try {
    return { tree: make() };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { refused: error.code };
  }
}

/** Reads a tree without following a link and without another program. */
export function readLines(root: string): TreeLines {
  const found: { path: string; line: string; inode: string }[] = [];
  const names = new Map<string, string[]>();
  const visit = (path: string, at: string): void => {
    const { stat, line, below } = withReachablePath(at, readNode);
    // Layers that are file systems of their own have the same numbers on other devices.
    const inode = `${stat.dev}:${stat.ino}`;
    found.push({ path, line, inode });
    if (stat.isDirectory()) {
      for (const name of below) visit(path === '.' ? name : `${path}/${name}`, `${at}/${name}`);
    } else {
      names.set(inode, [...(names.get(inode) ?? []), path]);
    }
  };
  visit('.', root);
  return new Map(
    found.map(({ path, line, inode }) => [path, line.startsWith('directory') ? line : `${line} = ${names.get(inode)}`]),
  );
}

function readNode(at: SystemPath) {
  const stat = lstatSync(at, { bigint: true });
  return { stat, line: describeNode(at, stat), below: stat.isDirectory() ? readdirSync(at).sort() : [] };
}

function describeNode(at: SystemPath, stat: BigIntStats): string {
  const mode = (stat.mode & 0o7777n).toString(8);
  const xattrs = Object.entries(listXattrs(at)).filter(([name]) => !name.startsWith('trusted.overlay.'));
  const shown = [mode, `${stat.uid}:${stat.gid}`, ...xattrs.map((pair) => pair.join('='))].join(' ');
  if (stat.isDirectory()) return `directory ${shown} at ${stat.mtimeNs}`;
  const time = `at ${stat.mtimeNs}`;
  if (stat.isSymbolicLink()) return `symlink ${shown} ${time} -> ${readlinkSync(at)}`;
  if (stat.isFile()) return `file ${shown} ${time} ${readFileSync(at, 'latin1')}`;
  return `${stat.isFIFO() ? 'fifo' : 'device'} ${shown} ${time} ${stat.rdev}`;
}

/** Differences in words; none means that both are the same tree, or refused with the same code. */
export function compareOutcomes(actual: TreeOutcome, expected: TreeOutcome): string[] {
  if ('refused' in actual || 'refused' in expected) {
    const [one, other] = [actual, expected].map((each) => ('refused' in each ? `refused, ${each.refused}` : 'a tree'));
    return one === other ? [] : [`${one} and not ${other}`];
  }
  const paths = new Set([...actual.tree.keys(), ...expected.tree.keys()]);
  return [...paths].flatMap((path) => {
    const [one = 'nothing', other = 'nothing'] = [actual.tree.get(path), expected.tree.get(path)];
    return one === other ? [] : [`${path}: ${one}, and not ${other}`];
  });
}
