import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type LayerKey, layerFileName } from '../layer-formats/index.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/index.ts';
import type { DataArea, DocumentId, DocumentKind } from './types.ts';

/** Directories of `state`, which a rolled-back disk must not be able to restore. */
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
  'signatures',
  'layers',
  'mounts',
] as const;

/** The lock that every user of the store holds shared. Its file is never removed. */
export const STORE_LOCK = 'store';

/** Directories of a backing. */
export const DATA_DIRECTORIES = ['layers', 'staging', 'uppers', 'trash'] as const;

/** Paths in `state`. */
export const statePath = {
  marker: (stateDir: string) => join(stateDir, 'store.json'),
  locks: (stateDir: string) => join(stateDir, 'lock'),
  layers: (stateDir: string) => join(stateDir, 'layers'),
  names: (stateDir: string) => join(stateDir, 'names'),
  images: (stateDir: string) => join(stateDir, 'images'),
  allSignatures: (stateDir: string) => join(stateDir, 'signatures'),
  documents: (stateDir: string, kind: DocumentKind, algorithm: 'sha256' | 'sha512') => join(stateDir, kind, algorithm),
  mounts: (stateDir: string) => join(stateDir, 'mounts'),
  layerMounts: (stateDir: string) => join(stateDir, 'layer-mounts'),
  layer: (stateDir: string, key: LayerKey) => join(stateDir, 'layers', `${key}.json`),
  image: (stateDir: string, digest: Digest) => join(stateDir, 'images', `${digest}.json`),
  /** The signatures of one image. */
  signatures: (stateDir: string, image: Digest) => join(stateDir, 'signatures', `${image}.json`),
  mount: (stateDir: string, id: string) => join(stateDir, 'mounts', `${id}.json`),
  document: (stateDir: string, { kind, digest }: DocumentId) =>
    join(stateDir, kind, digestAlgorithm(digest), digestHex(digest)),
  /** References may be longer than a file name, so the file is named by the hash of its reference. */
  name: (stateDir: string, reference: string) =>
    join(stateDir, 'names', `${createHash('sha256').update(reference).digest('hex')}.json`),
} as const;

/** Paths in a backing. */
export const dataPath = {
  area: (dataDir: string, area: DataArea | 'trash') => join(dataDir, area),
  layer: (dataDir: string, key: LayerKey) => join(dataDir, 'layers', layerFileName(key)),
  staging: (dataDir: string, name: string) => join(dataDir, 'staging', name),
  upper: (dataDir: string, id: string) => join(dataDir, 'uppers', id),
} as const;

/** True for `<pid>-<start time>-<n>`: the process that stages, and its n-th staging. */
export function isStagingName(name: string): boolean {
  return /^[0-9]{1,10}-[0-9]{1,20}-[0-9]{1,10}$/.test(name);
}

/** True for the id of an upper, which is also the id of its mount. */
export function isUpperId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}
