import { prefixError } from '../errors/index.ts';
import { formatReference, isDigest, parseReference, withDefaultTag } from '../oci/index.ts';
import type { Removal, RemovalTarget, Store } from '../store/index.ts';
import type { PullPorts } from './ports.ts';
import type { ListedImage } from './types.ts';

type StorePorts = Pick<PullPorts, 'openStore'>;

/** The images of the store, the one that was pulled last first. */
export function listImages(ports: StorePorts): Promise<readonly ListedImage[]> {
  return withStore('list images', ports, async (store) =>
    store.listImages().map(({ record, ...rest }) => ({ ...record, ...rest })),
  );
}

/**
 * Each text is a reference or the digest of a manifest; a digest stands for all names of that image. Removes all or,
 * when one of them is not there or would leave a mounted image without a name, nothing.
 */
export function removeImages(unsafeTargets: readonly string[], ports: StorePorts): Promise<Removal> {
  const targets = unsafeTargets.map(parseTarget);
  return withStore('remove images', ports, (store) => store.removeImages(targets));
}

/** Removes what no name and no mount needs; `all`: images that are not mounted as well. */
export function pruneStore(all: boolean, ports: StorePorts): Promise<Removal> {
  return withStore('prune', ports, (store) => store.prune({ all }));
}

function parseTarget(unsafeTarget: string): RemovalTarget {
  if (isDigest(unsafeTarget)) return { kind: 'image', digest: unsafeTarget };
  return { kind: 'name', reference: formatReference(withDefaultTag(parseReference(unsafeTarget))) };
}

async function withStore<Result>(
  action: string,
  { openStore }: StorePorts,
  work: (store: Store) => Promise<Result>,
): Promise<Result> {
  try {
    const store = await openStore();
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    throw prefixError(action, error);
  }
}
