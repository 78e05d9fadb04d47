import { type Digest, digestHex } from '../oci/index.ts';
import { chainLayerKey, formatLayerKey, type LayerKey } from '../store/index.ts';

/** How the layers of a pull are written. */
export interface LayerFormat {
  readonly format: 'directory' | 'erofs';
  /** Images only: a dm-verity tree behind each. */
  readonly verity: boolean;
}

/** Each version changes whenever its writer makes another tree, or other image bytes, of the same archive. */
const WRITER_VERSIONS = { directory: 1, erofs: 1 } as const;

/** Key of a plain layer that stands by itself. */
export function diffIdKey({ format }: LayerFormat, diffId: Digest): LayerKey {
  const writerVersion = WRITER_VERSIONS[format];
  return formatLayerKey({ format, writerVersion, kind: 'diffid', hex: digestHex(diffId), domain: undefined });
}

/** Key of the topmost of these layers, bottom to top, written with those below in view. */
export function chainKey({ format }: LayerFormat, diffIds: readonly Digest[]): LayerKey {
  const members = diffIds.map((diffId) => ({ diffId, domain: undefined }));
  return chainLayerKey({ format, writerVersion: WRITER_VERSIONS[format] }, members);
}
