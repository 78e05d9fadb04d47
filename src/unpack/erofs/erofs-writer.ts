import { SealiftError } from '../../errors/index.ts';
import { errnoOf } from '../../platform/index.ts';
import { describeWriteFailure } from '../directory/index.ts';
import { type LayerTree, type NameStore, type Tally, TreeWriter } from '../tree/index.ts';
import type { LayerFacts, TarEntry } from '../types.ts';
import { ImageFile } from './image-file.ts';
import { ImageNodes } from './image-nodes.ts';
import type { BlockFeed, ErofsImage, ErofsWriter, ErofsWriterOptions } from './types.ts';

/**
 * Creates the image file and returns its writer. Throws UNPACK_TARGET_INVALID when the file exists. ADR 0014 says why a
 * layer is one image, docs/adr/0014-layer-images.md.
 */
export function createErofsWriter({ path, limits, lower, blocks }: ErofsWriterOptions): ErofsWriter {
  const file = openImage(path, blocks);
  let nodes: ImageNodes | undefined;
  const createNodes = (tree: LayerTree, tally: Tally) => {
    nodes = new ImageNodes({ path, file, tree, tally });
    return nodes;
  };
  const writer = new TreeWriter({ form: 'overlay', privileged: true, lower, limits, names: NAMES, createNodes });
  return new ImageWriter(writer, () => nodes?.image);
}

/** Does nothing, because names are kept in the tree alone until the layer ends. */
const NAMES: NameStore = {
  makeDirectory: () => undefined,
  removeDirectory: () => undefined,
  removeLeaf: () => undefined,
  link: () => undefined,
};

function openImage(path: string, blocks: BlockFeed | undefined): ImageFile {
  try {
    return new ImageFile(path, blocks);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw new SealiftError(
        'UNPACK_TARGET_INVALID',
        `create image ${path}: expected a path without a file, got an existing file`,
      );
    }
    throw describeWriteFailure(error, path);
  }
}

class ImageWriter implements ErofsWriter {
  readonly #writer: TreeWriter;
  readonly #image: () => ErofsImage | undefined;

  constructor(writer: TreeWriter, image: () => ErofsImage | undefined) {
    this.#writer = writer;
    this.#image = image;
  }

  entry(entry: TarEntry): void {
    this.#writer.entry(entry);
  }

  data(chunk: Uint8Array): void {
    this.#writer.data(chunk);
  }

  end(): void {
    this.#writer.end();
  }

  facts(): LayerFacts {
    return this.#writer.facts();
  }

  result(): ErofsImage {
    const image = this.#image();
    if (image === undefined) {
      throw new SealiftError(
        'INTERNAL',
        'layer image: expected its result to be read after the end, got an unfinished image',
      );
    }
    return image;
  }

  close(): void {
    this.#writer.close();
  }
}
