import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import type { ByteSink } from '../../../src/bytes/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { mount, umount } from '../../../src/platform/index.ts';
import type { ErofsImage, ErofsWriterOptions, VerityFacts } from '../../../src/unpack/erofs/types.ts';
import {
  type BlockFeed,
  createErofsWriter,
  createVerityTreeWriter,
  type ErofsWriter,
  type LayerFacts,
  readTar,
} from '../../../src/unpack/index.ts';
import { mustRun } from '../machine/commands.ts';
import { feed } from './entries.ts';
import type { TarMember } from './tar-builder.ts';

export interface WrittenImage {
  readonly facts: LayerFacts;
  readonly image: ErofsImage;
}

export interface WrittenTree extends WrittenImage {
  readonly verity: VerityFacts;
}

type Options = Partial<Omit<ErofsWriterOptions, 'path'>>;

/** Writes the members as an image, as the tar reader would feed them. */
export function writeImage(path: string, members: readonly TarMember[], options: Options = {}): WrittenImage {
  return write(path, options, (writer) => feed(writer, members));
}

/** Writes a layer as it comes out of decompression, in chunks. */
export function writeLayerImage(path: string, chunks: Iterable<Uint8Array>, options: Options = {}): WrittenImage {
  return write(path, options, (writer) => {
    const line = readTar(DEFAULT_LIMITS, writer);
    for (const chunk of chunks) line.write(chunk);
    line.end();
  });
}

/** Like `writeImage`, with a dm-verity tree after the image. */
export function writeVerityImage(path: string, members: readonly TarMember[]): WrittenTree {
  const tree = createVerityTreeWriter(path);
  const written = writeImage(path, members, { blocks: createInlineFeed(tree) });
  return { ...written, verity: tree.result() };
}

/** Like `writeLayerImage`, with a dm-verity tree after the image. */
export function writeVerityLayerImage(path: string, chunks: Iterable<Uint8Array>): WrittenTree {
  const tree = createVerityTreeWriter(path);
  const written = writeLayerImage(path, chunks, { blocks: createInlineFeed(tree) });
  return { ...written, verity: tree.result() };
}

/** Passes blocks on in the same thread, in memory that is overwritten at once. */
export function createInlineFeed(sink: ByteSink): BlockFeed {
  const memory = Buffer.alloc(256 * 1024);
  return {
    acquire: () => memory,
    publish: (length) => {
      sink.write(memory.subarray(0, length));
      memory.fill(0xa5);
    },
    end: () => sink.end(),
  };
}

function write(path: string, options: Options, run: (writer: ErofsWriter) => void): WrittenImage {
  const writer = createErofsWriter({ path, limits: DEFAULT_LIMITS, ...options });
  try {
    run(writer);
    return { facts: writer.facts(), image: writer.result() };
  } finally {
    writer.close();
  }
}

/** Returns the complaints of Debian's `fsck.erofs`: none for a sound image. */
export async function fsckImage(path: string): Promise<string> {
  // It recurses with some 10 KiB of stack for each directory on the way down.
  const output = (await mustRun('sh', ['-c', 'ulimit -s 65536; exec fsck.erofs "$0"', path])).toString();
  return output.replace(/^No errors found$/m, '').trim();
}

/** Mounts images under an overlay, topmost first, while `inspect` runs. */
export async function withMountedStack<Result>(
  folder: string,
  images: readonly string[],
  inspect: (root: string, lowers: readonly string[]) => Promise<Result> | Result,
): Promise<Result> {
  mkdirSync(folder);
  const mounted: string[] = [];
  try {
    for (const image of images) {
      const at = `${folder}/lower-${mounted.length}`;
      mkdirSync(at);
      await mountImage(image, at);
      mounted.push(at);
    }
    const lowers = [...mounted];
    const root = `${folder}/root`;
    mountOverlay(root, lowers);
    mounted.push(root);
    return await inspect(root, lowers);
  } finally {
    for (const at of mounted.toReversed()) umount(at);
  }
}

/** Mounts read-only, through a loop device that is detached with the mount. */
export async function mountImage(image: string, at: string): Promise<void> {
  await mustRun('mount', ['-t', 'erofs', '-o', 'ro,loop', image, at]);
}

/** Mounts read-only. overlayfs requires two layers, so an empty one is at the bottom. */
export function mountOverlay(at: string, lowers: readonly string[]): void {
  mkdirSync(at);
  mkdirSync(`${at}.empty`);
  const options = `lowerdir=${[...lowers, `${at}.empty`].join(':')}`;
  mount({ source: 'overlay', target: at, type: 'overlay', data: options });
}

/** `count` bytes of a file from `position` on. */
export function readPart(path: string, position: number, count: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(count);
    readSync(fd, bytes, 0, count, position);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
