import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isLayerKey, parseLayerKey } from '../layer-formats/layer-key.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/index.ts';
import type { DataArea, LayerKey } from './types.ts';

/** Directories of `state`: what a rolled-back disk must not be able to bring back. */
export const STATE_DIRECTORIES = [
  'lock',
  'names',
  'manifests',
  'manifests/sha256',
  'manifests/sha512',
  'configs',
  'configs/sha256',
  'configs/sha512',
  'images',
  'layers',
  'mounts',
] as const;

/** The lock that every user of the store holds shared, and nobody ever removes. */
export const STORE_LOCK = 'store';

/** What the writer of the erofs format makes in a staging directory, and nothing beside it. */
export const STAGED_IMAGE = 'layer.erofs';

const IMAGE_SUFFIX = '.erofs';

/** Directories of a backing. */
export const DATA_DIRECTORIES = ['layers', 'staging', 'uppers', 'trash'] as const;

/** Where things of `state` lie. */
export const statePath = {
  marker: (stateDir: string) => join(stateDir, 'store.json'),
  locks: (stateDir: string) => join(stateDir, 'lock'),
  layers: (stateDir: string) => join(stateDir, 'layers'),
  names: (stateDir: string) => join(stateDir, 'names'),
  images: (stateDir: string) => join(stateDir, 'images'),
  shelf: (stateDir: string, shelf: 'manifests' | 'configs', algorithm: 'sha256' | 'sha512') =>
    join(stateDir, shelf, algorithm),
  mounts: (stateDir: string) => join(stateDir, 'mounts'),
  layerMounts: (stateDir: string) => join(stateDir, 'layer-mounts'),
  layer: (stateDir: string, key: LayerKey) => join(stateDir, 'layers', `${key}.json`),
  image: (stateDir: string, digest: Digest) => join(stateDir, 'images', `${digest}.json`),
  mount: (stateDir: string, id: string) => join(stateDir, 'mounts', `${id}.json`),
  document: (stateDir: string, shelf: 'manifests' | 'configs', digest: Digest) =>
    join(stateDir, shelf, digestAlgorithm(digest), digestHex(digest)),
  /** References may be longer than a file name, so the file has the hash of its reference for a name. */
  name: (stateDir: string, reference: string) =>
    join(stateDir, 'names', `${createHash('sha256').update(reference).digest('hex')}.json`),
} as const;

/** Where things of a backing lie. */
export const dataPath = {
  area: (dataDir: string, area: DataArea | 'trash') => join(dataDir, area),
  layer: (dataDir: string, key: LayerKey) => join(dataDir, 'layers', layerFileName(key)),
  staging: (dataDir: string, name: string) => join(dataDir, 'staging', name),
  upper: (dataDir: string, id: string) => join(dataDir, 'uppers', id),
} as const;

/** A directory or, for the erofs format, one image file. */
export function layerFileName(key: LayerKey): string {
  return isImageKey(key) ? `${key}${IMAGE_SUFFIX}` : key;
}

/** Inverse of {@link layerFileName}; undefined for what no layer is called. */
export function layerKeyOf(fileName: string): LayerKey | undefined {
  const key = fileName.endsWith(IMAGE_SUFFIX) ? fileName.slice(0, -IMAGE_SUFFIX.length) : fileName;
  return isLayerKey(key) && layerFileName(key) === fileName ? key : undefined;
}

/** Whether the layers of this key are image files. */
export function isImageKey(key: LayerKey): boolean {
  return parseLayerKey(key).format === 'erofs';
}

/** `<pid>-<start time>-<n>`: the process that stages, and its n-th attempt. */
export function isStagingName(name: string): boolean {
  return /^[0-9]{1,10}-[0-9]{1,20}-[0-9]{1,10}$/.test(name);
}

/** Ids of uppers and of their mounts. */
export function isUpperId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}
