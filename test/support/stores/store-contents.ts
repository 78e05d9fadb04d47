import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LayerForm } from '../programs/pull-steps.ts';

/** The directories of the two halves of a store. */
export interface StoreHalves {
  readonly state: string;
  readonly data: string;
}

/** The halves that `--store DIR` stands for. */
export function halvesOf(store: string): StoreHalves {
  return { state: join(store, 'state'), data: join(store, 'data') };
}

/**
 * Every path of a store, sorted; what lies inside layers, uppers and mounted layers aside. Hexadecimal names become
 * `<hash>` or `<id>`, so that a list can be written down.
 */
export function listContents({ state, data }: StoreHalves): readonly string[] {
  return [...pathsBelow(state, 'state', 3), ...pathsBelow(data, 'data', 2)]
    .filter((path) => !/^state\/layer-mounts\/.*\//.test(path))
    .map((path) => path.replace(/[0-9a-f]{64}/g, '<hash>').replace(/[0-9a-f]{32}/g, '<id>'))
    .sort();
}

function pathsBelow(directory: string, shown: string, depth: number): readonly string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = `${shown}/${entry.name}`;
    const isDeeper = entry.isDirectory() && depth > 1;
    return isDeeper ? [path, ...pathsBelow(join(directory, entry.name), path, depth - 1)] : [path];
  });
}

const LAYOUT = [
  'data/layers',
  'data/staging',
  'data/trash',
  'data/uppers',
  'state/configs',
  'state/configs/sha256',
  'state/configs/sha512',
  'state/images',
  'state/layers',
  'state/lock',
  'state/lock/store',
  'state/manifests',
  'state/manifests/sha256',
  'state/manifests/sha512',
  'state/mounts',
  'state/names',
  'state/signatures',
  'state/store.json',
];

/** The paths of an empty store. The folder of mounted layers stays when there was one. */
export function emptyContents(form: LayerForm): readonly string[] {
  return form === 'erofs' ? [...LAYOUT, 'state/layer-mounts'].sort() : LAYOUT;
}

/** What a store keeps of one image with a name and one mount. */
export interface KeptImage {
  /** The kinds of its layer keys; a hard link into a lower layer makes a `chain`. */
  readonly layers: readonly ('diffid' | 'chain')[];
  /** How many of its layers are known to need those below them. */
  readonly needingChain: number;
}

/** The paths of a store that keeps one image, which is mounted once. */
export function contentsOf(form: LayerForm, { layers, needingChain }: KeptImage): readonly string[] {
  const keys = layers.map((kind) => `${form}-v1-${kind}-<hash>`);
  const plainRecords = Array.from({ length: needingChain }, () => `${form}-v1-diffid-<hash>`);
  return [
    ...emptyContents(form),
    ...keys.map((key) => (form === 'erofs' ? `data/layers/${key}.erofs` : `data/layers/${key}`)),
    ...[...keys, ...plainRecords].map((key) => `state/layers/${key}.json`),
    ...(form === 'erofs' ? keys.map((key) => `state/layer-mounts/${key}`) : []),
    'data/uppers/<id>',
    'state/configs/sha256/<hash>',
    'state/images/sha256:<hash>.json',
    'state/manifests/sha256/<hash>',
    'state/mounts/<id>.json',
    'state/names/<hash>.json',
  ].sort();
}
