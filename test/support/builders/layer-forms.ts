import { mkdirSync } from 'node:fs';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { umount } from '../../../src/platform/index.ts';
import {
  createDirectoryWriter,
  createErofsWriter,
  type EntrySink,
  type LayerFacts,
  type LowerView,
} from '../../../src/unpack/index.ts';
import { compareTrees, readTree, type Tree } from '../oracles/tree.ts';
import { fsckImage, mountImage, mountOverlay } from './erofs-image.ts';
import { lowerView } from './lower-view.ts';

/** Feeds one layer to a writer, to its end. */
export type Layer = (sink: EntrySink) => void;

/** The result of a stack of layers in one form. */
interface Outcome {
  /** The code with which a layer was refused. */
  readonly refused?: string;
  readonly facts: readonly LayerFacts[];
  /** The tree of each layer by itself, including whiteout marks. */
  readonly layers: readonly Tree[];
  readonly merged?: Tree;
}

/**
 * Applies layers one on top of the other in an empty folder, as directories and as images. Returns the differences in
 * words: of the facts or the code of the refusal, of each layer, and of all under an overlay if they are chained; and
 * the complaints of fsck.erofs.
 */
export async function compareForms(
  folder: string,
  layers: readonly Layer[],
  options: { readonly chained?: boolean } = {},
): Promise<{ readonly differences: readonly string[]; readonly refused: string | undefined; readonly merged?: Tree }> {
  const chained = options.chained ?? true;
  const complaints: string[] = [];
  const asDirectories = await inForm(`${folder}/directory`, layers, chained, async (path, layer, lower) => {
    mkdirSync(path);
    const writer = createDirectoryWriter({
      root: path,
      form: 'overlay',
      privileged: true,
      lower,
      limits: DEFAULT_LIMITS,
    });
    return { facts: applyTo(writer, layer), at: path };
  });
  const asImages = await inForm(`${folder}/erofs`, layers, chained, async (path, layer, lower) => {
    const image = `${path}.erofs`;
    const facts = applyTo(createErofsWriter({ path: image, limits: DEFAULT_LIMITS, lower }), layer);
    complaints.push(await fsckImage(image));
    mkdirSync(path);
    await mountImage(image, path);
    return { facts, at: path, mounted: path };
  });
  const [expected, actual] = [asDirectories, asImages];
  const same = (one: unknown, other: unknown, what: string) =>
    JSON.stringify(one) === JSON.stringify(other)
      ? []
      : [`${what}: ${JSON.stringify(one)} and not ${JSON.stringify(other)}`];
  const differences = [
    ...complaints.filter((text) => text !== ''),
    ...same(actual.refused, expected.refused, 'refused'),
    ...same(actual.facts, expected.facts, 'facts'),
    ...actual.layers.flatMap((tree, at) => compareLayers(tree, expected.layers[at] ?? new Map())),
    ...compareTrees(actual.merged ?? new Map(), expected.merged ?? new Map()),
  ];
  return { differences, refused: actual.refused, ...(actual.merged === undefined ? {} : { merged: actual.merged }) };
}

/** Ignores the time of whiteouts, which has no meaning. */
function compareLayers(actual: Tree, expected: Tree): string[] {
  return compareTrees(actual, expected, { withoutMtime: (path) => expected.get(path)?.rdev === '0:0' });
}

function applyTo(writer: EntrySink & { facts(): LayerFacts; close(): void }, layer: Layer): LayerFacts {
  try {
    layer(writer);
    return writer.facts();
  } finally {
    writer.close();
  }
}

type Apply = (
  path: string,
  layer: Layer,
  lower: LowerView | undefined,
) => Promise<{ readonly facts: LayerFacts; readonly at: string; readonly mounted?: string }>;

async function inForm(folder: string, layers: readonly Layer[], chained: boolean, apply: Apply): Promise<Outcome> {
  mkdirSync(folder);
  const facts: LayerFacts[] = [];
  const trees: Tree[] = [];
  const lowers: string[] = [];
  const mounts: string[] = [];
  try {
    for (const [at, layer] of layers.entries()) {
      const lower = chained && at > 0 ? lowerView(lowers) : undefined;
      const made = await apply(`${folder}/${at}`, layer, lower);
      if (made.mounted !== undefined) mounts.push(made.mounted);
      facts.push(made.facts);
      lowers.unshift(made.at);
      trees.push(await readTree(made.at));
    }
    // Marks over nothing show as names that nothing is behind; only a chained layer leaves them out.
    if (!chained) return { facts, layers: trees };
    const root = `${folder}/merged`;
    mountOverlay(root, lowers);
    mounts.push(root);
    return { facts, layers: trees, merged: await readTree(root) };
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code === 'INTERNAL') throw error;
    return { refused: error.code, facts, layers: trees };
  } finally {
    for (const at of mounts.toReversed()) umount(at);
  }
}
