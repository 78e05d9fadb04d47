import type { KeptImage } from '../stores/store-contents.ts';
import { type BuiltImage, buildImage, buildLayer, type LayerCompression } from './image-builder.ts';
import { pseudoRandom } from './small-image.ts';
import { dir, file, hardlink, type TarMember, tar } from './tar-builder.ts';

/** The kinds of images whose pulls are interrupted. */
export const IMAGE_KINDS = ['gzip', 'zstd', 'chained', 'repeated'] as const;
export type ImageKind = (typeof IMAGE_KINDS)[number];

/** What a store keeps of each kind. */
export const KEPT: Readonly<Record<ImageKind, KeptImage>> = {
  gzip: { layers: ['diffid', 'diffid'], needingChain: 0 },
  zstd: { layers: ['diffid', 'diffid'], needingChain: 0 },
  chained: { layers: ['diffid', 'chain'], needingChain: 1 },
  repeated: { layers: ['diffid', 'diffid'], needingChain: 0 },
};

const SHARED_BYTES = 200_000;
const OWN_BYTES = 150_000;

/** The members of the lower layer, which every image has. */
export function sharedMembers(): TarMember[] {
  return [
    dir('./'),
    dir('tmp', { mode: 0o1777, mtime: { seconds: 1_234_567_890, nanoseconds: 5 } }),
    file('shared', pseudoRandom(SHARED_BYTES, 'shared')),
  ];
}

/** The bytes of the file `own` in the upper layer of the image `name`. */
export function ownBytes(name: string): Buffer {
  return pseudoRandom(OWN_BYTES, name);
}

/**
 * Builds an image of a layer that all have and one that only this image has; no layer of `chained` has entries for its
 * parents.
 */
export async function buildCrashImage(kind: ImageKind, name: string, folder: string): Promise<BuiltImage> {
  const compression: LayerCompression = kind === 'zstd' ? 'zstd' : 'gzip';
  const shared = await buildLayer(tar(sharedMembers()), compression, folder);
  const own = await buildLayer(tar(ownMembers(kind, name)), compression, folder);
  const layers = kind === 'repeated' ? [shared, own, shared] : [shared, own];
  return buildImage({ format: 'oci', layers, config: { Cmd: ['/own'] } });
}

function ownMembers(kind: ImageKind, name: string): TarMember[] {
  const own = file('own', ownBytes(name));
  if (kind === 'chained') return [own, hardlink('linked', 'shared'), file('tmp/implied', 'its parent keeps its mode')];
  // Hidden by the copy above it, where the layer below comes twice.
  return kind === 'repeated' ? [own, file('shared', 'hidden by the copy on top')] : [own];
}
