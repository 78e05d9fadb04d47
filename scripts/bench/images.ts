import { readFileSync, rmSync } from 'node:fs';
import { loadDebianFiles } from '../../test/support/builders/debian-files.ts';
import {
  type BuiltImage,
  type BuiltLayer,
  buildImage,
  buildLayer,
  pushImage,
} from '../../test/support/builders/image-builder.ts';
import { dir, file, type TarMember, tarStream } from '../../test/support/builders/tar-builder.ts';

export const IMAGE_KEYS = ['one', 'larger', 'four', 'forty', 'zstd', 'file'] as const;
export type ImageKey = (typeof IMAGE_KEYS)[number];

/** An image in the registry, and the files that must exist once it is unpacked. */
export interface BenchImage {
  readonly key: ImageKey;
  readonly title: string;
  readonly repository: string;
  readonly image: BuiltImage;
  readonly content: TreeSize;
  readonly tarBytes: number;
  readonly blobBytes: number;
}

/** Regular files and the bytes in them; layers of one image never touch each other's paths. */
export interface TreeSize {
  readonly files: number;
  readonly bytes: number;
}

interface LayerRecipe {
  readonly files: number;
  readonly bytes: number;
}

interface ImageRecipe {
  readonly title: string;
  readonly compression: 'gzip' | 'zstd';
  readonly layers: readonly LayerRecipe[];
}

const ONE: LayerRecipe = { files: 30_000, bytes: 1e9 };
const PROGRAM_BYTES = 20_000_000;

const RECIPES: Readonly<Record<ImageKey, ImageRecipe>> = {
  one: { title: 'One gzip layer', compression: 'gzip', layers: [ONE] },
  larger: {
    title: 'One gzip layer of larger files',
    compression: 'gzip',
    layers: [{ files: 7_000, bytes: 1.17e9 }],
  },
  four: {
    title: 'Four unequal gzip layers',
    compression: 'gzip',
    layers: [0.5, 0.3, 0.15, 0.05].map((part) => ({ files: ONE.files * part, bytes: ONE.bytes * part })),
  },
  forty: {
    title: 'Forty small gzip layers',
    compression: 'gzip',
    layers: Array.from({ length: 40 }, () => ({ files: 250, bytes: 8e6 })),
  },
  zstd: { title: 'One zstd layer', compression: 'zstd', layers: [ONE] },
  file: { title: 'One file of 3 GiB, gzip', compression: 'gzip', layers: [{ files: 1, bytes: 3 * 2 ** 30 }] },
};

/** Makes an image, the same bytes in every run, and pushes it. Its blobs are then in the registry only. */
export async function publishImage(
  key: ImageKey,
  scale: number,
  registryUrl: string,
  folder: string,
  signal?: AbortSignal,
): Promise<BenchImage> {
  const { title, compression, layers: recipes } = RECIPES[key];
  const packageFiles = await loadPackageFiles();
  const content = { files: 0, bytes: 0 };
  const count = (bytes: number): void => {
    content.files += 1;
    content.bytes += bytes;
  };
  const layers: BuiltLayer[] = [];
  for (const [index, recipe] of recipes.entries()) {
    const scaled = { files: Math.ceil(recipe.files * scale), bytes: recipe.bytes * scale };
    const members = recipe.files === 1 ? oneFile(scaled.bytes) : manyFiles(scaled, packageFiles, index);
    layers.push(await buildLayer(toArchive(members, count, signal), compression, folder));
  }
  const image = buildImage({ format: 'oci', layers });
  const repository = `bench/${key}`;
  await pushImage(registryUrl, repository, 'latest', image);
  for (const { path } of layers) rmSync(path);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    key,
    title,
    repository,
    image,
    content,
    tarBytes: sum(layers.map(({ tarSize }) => tarSize)),
    blobBytes: sum(layers.map(({ size }) => size)),
  };
}

async function loadPackageFiles(): Promise<readonly TarMember[]> {
  const packages = await loadDebianFiles();
  // podman refuses archives that name a path twice, and tools differ in which of two hard links they count as the file.
  const members = packages.flatMap((each) => each.members).filter(({ type }) => type !== '1');
  const paths = new Set<string>();
  return members.filter(({ name }) => {
    const path = String(name).replace(/\/$/, '');
    if (paths.has(path)) return false;
    paths.add(path);
    return true;
  });
}

/** Repeats files of Debian packages, then adds large programs up to the wanted size. */
function* manyFiles(recipe: LayerRecipe, packageFiles: readonly TarMember[], layer: number): Generator<TarMember> {
  let [bytes, files] = [0, 0];
  for (let copy = 0; files < recipe.files; copy += 1) {
    const prefix = `layer-${layer}/copy-${copy}`;
    yield dir(prefix);
    for (const member of packageFiles) {
      if (files >= recipe.files) break;
      yield { ...member, name: `${prefix}/${member.name}` };
      bytes += 512 + sizeOf(member);
      if (member.type === '0') files += 1;
    }
  }
  const program = readFileSync(process.execPath);
  for (let copy = 0; bytes < recipe.bytes; copy += 1) {
    const size = Math.ceil(Math.min(program.length / 2, recipe.bytes - bytes, PROGRAM_BYTES));
    const offset = ((copy + layer) * 7_654_321) % (program.length - size);
    yield file(`layer-${layer}/programs/${copy}`, program.subarray(offset, offset + size), { mode: 0o755 });
    bytes += size + 512;
  }
}

function* oneFile(bytes: number): Generator<TarMember> {
  const program = readFileSync(process.execPath);
  const size = Math.ceil(bytes);
  function* chunks(): Generator<Uint8Array> {
    for (let written = 0, turn = 0; written < size; turn += 1) {
      const length = Math.min(1 << 20, size - written);
      const offset = (turn * 7_654_321) % (program.length - length);
      yield program.subarray(offset, offset + length);
      written += length;
    }
  }
  yield file('large', { size, chunks: chunks() });
}

function* toArchive(
  members: Iterable<TarMember>,
  onFile: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Generator<Uint8Array> {
  for (const member of members) {
    if (member.type === '0') onFile(sizeOf(member));
    for (const bytes of tarStream([member], { end: 'none' })) {
      signal?.throwIfAborted();
      yield bytes;
    }
  }
  yield* tarStream([]);
}

function sizeOf({ content = '' }: TarMember): number {
  return typeof content === 'object' && 'chunks' in content ? content.size : content.length;
}
