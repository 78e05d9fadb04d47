import type { StoreIndex } from './store-index.ts';
import type { ImageRecord, StoredImage } from './types.ts';

/** Lists the images of a store, the one that was pulled last first. */
export function listImages({ images, names, mounts, layers }: StoreIndex): readonly StoredImage[] {
  const bytesOf = new Map<string, number>(layers.map(({ key, diskBytes }) => [key, diskBytes]));
  const users = countUsers(images);
  const sum = (keys: Iterable<string>) => [...keys].reduce((total, key) => total + (bytesOf.get(key) ?? 0), 0);
  return images
    .map((record): StoredImage => {
      const keys = new Set<string>(record.layerKeys);
      const shared = [...keys].filter((key) => (users.get(key) ?? 0) > 1);
      const { manifestDigest } = record;
      return {
        record,
        names: names
          .filter(({ digest }) => digest === manifestDigest)
          .map(({ reference }) => reference)
          .sort(),
        diskBytes: sum(keys),
        sharedBytes: sum(shared),
        mounts: mounts.filter(({ imageDigest }) => imageDigest === manifestDigest).map(({ target }) => target),
      };
    })
    .sort((left, right) => (left.record.pulledAt < right.record.pulledAt ? 1 : -1));
}

function countUsers(images: readonly ImageRecord[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const { layerKeys } of images) {
    for (const key of new Set(layerKeys)) users.set(key, (users.get(key) ?? 0) + 1);
  }
  return users;
}
