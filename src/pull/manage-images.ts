import { prefixError, SealiftError } from '../errors/index.ts';
import { formatReference, isDigest, parseReference, withDefaultTag } from '../oci/index.ts';
import type { ImageIndex, Removal, RemovalTarget } from '../store/index.ts';
import type { PullPorts } from './ports.ts';
import type { ListedImage } from './types.ts';

type StorePorts = Pick<PullPorts, 'openStore'>;

/** Lists the images of the store, the one that was pulled last first. */
export function listImages(ports: StorePorts): Promise<readonly ListedImage[]> {
  return withStore('list images', ports, async (store) =>
    store.listImages().map(({ record, ...rest }) => ({ ...record, ...rest })),
  );
}

/**
 * Removes images. Each text is a reference or the digest of a manifest, which stands for all names of that image. When
 * one of them does not exist, or removing it would leave a mounted image without a name, nothing is removed.
 */
export function removeImages(
  unsafeTargets: readonly string[],
  ports: StorePorts,
  signal?: AbortSignal,
): Promise<Removal> {
  const targets = unsafeTargets.map(parseTarget);
  return withStore('remove images', ports, (store) => store.removeImages(targets, signal));
}

/** Removes what no name and no mount needs; with `all` also images that are not mounted. */
export function pruneStore(all: boolean, ports: StorePorts, signal?: AbortSignal): Promise<Removal> {
  return withStore('prune', ports, (store) => store.prune({ all, signal }));
}

function parseTarget(unsafeTarget: string): RemovalTarget {
  if (isDigest(unsafeTarget)) return { kind: 'image', digest: unsafeTarget };
  const [, algorithm, rest = ''] = /^(sha256|sha512):([^/]*)$/.exec(unsafeTarget) ?? [];
  if (algorithm !== undefined) {
    // A tag of a repository on Docker Hub could be written like this, and a digest is what is meant.
    const expected = algorithm === 'sha256' ? 64 : 128;
    throw new SealiftError(
      'STORE_IMAGE_UNKNOWN',
      `remove image ${algorithm}:${rest}: expected a digest of ${expected} hex digits, got ${rest.length} characters`,
      { context: { expected, actual: rest.length } },
    );
  }
  return { kind: 'name', reference: formatReference(withDefaultTag(parseReference(unsafeTarget))) };
}

async function withStore<Result>(
  action: string,
  { openStore }: StorePorts,
  work: (store: ImageIndex) => Promise<Result>,
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
