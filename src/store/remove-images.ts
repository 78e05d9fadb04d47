import { SealiftError } from '../errors/index.ts';
import type { Digest } from '../oci/index.ts';
import { findNeeded } from './find-needed.ts';
import type { HeldLock } from './lock-file.ts';
import { removeName } from './names.ts';
import { emptyTrash, isUnmounted, removeImage, underPruneLock } from './prune.ts';
import { createTally } from './removal-tally.ts';
import { removeUnneeded } from './remove-unneeded.ts';
import { type StoreContext, tryUseLock } from './store-context.ts';
import { type References, readIndex, readReferences } from './store-index.ts';
import type { Removal, RemovalTarget } from './types.ts';
import { sweepUppers } from './uppers.ts';

/** See {@link ImageIndex.removeImages}. Everything is checked and locked before the first name is removed. */
export function removeNamedImages(
  context: StoreContext,
  targets: readonly RemovalTarget[],
  signal?: AbortSignal,
): Promise<Removal> {
  const { stateDir } = context.options;
  const work = async (quiet: StoreContext): Promise<Removal> => {
    const tally = createTally();
    tally.uppers += await sweepUppers(quiet);
    const before = readIndex(stateDir);
    const locks = holdAll(stateDir, planRemoval(before, targets).images);
    try {
      // Planned again under the locks: an image that got another name meanwhile stays.
      const references = readReferences(stateDir);
      const { names, images } = planRemoval(references, targets);
      assertUnmounted(references, images);
      for (const reference of names) removeName(stateDir, reference);
      tally.names.push(...names);
      const left = readReferences(stateDir);
      for (const digest of images.filter((image) => locks.has(image))) {
        removeImage(digest, { stateDir, references: left, tally });
      }
    } finally {
      for (const lock of locks.values()) lock.release({ remove: true });
    }
    // Only what was needed before: removing a name must not prune the rest of the store.
    const { layers, documents } = findNeeded(before);
    await removeUnneeded(quiet, tally, new Set([...layers, ...documents]));
    await emptyTrash(quiet, tally);
    return tally;
  };
  return underPruneLock(context, work, signal);
}

interface RemovalPlan {
  readonly names: readonly string[];
  /** The images that have no name left after the removal. */
  readonly images: readonly Digest[];
}

/** Throws `STORE_IMAGE_UNKNOWN`. */
export function planRemoval(
  { names, images }: Pick<References, 'names' | 'images'>,
  targets: readonly RemovalTarget[],
): RemovalPlan {
  const going = new Set<string>();
  const touched = new Set<Digest>();
  for (const target of targets) {
    const found = names.filter(({ reference, digest }) =>
      target.kind === 'name' ? reference === target.reference : digest === target.digest,
    );
    const isNameless = target.kind === 'image' && images.some(({ manifestDigest }) => manifestDigest === target.digest);
    if (found.length === 0 && !isNameless) throw imageUnknown(target);
    if (target.kind === 'image') touched.add(target.digest);
    for (const { reference, digest } of found) {
      going.add(reference);
      touched.add(digest);
    }
  }
  const isLeft = (digest: Digest) => names.some((name) => name.digest === digest && !going.has(name.reference));
  return { names: [...going], images: [...touched].filter((digest) => !isLeft(digest)) };
}

function imageUnknown(target: RemovalTarget): SealiftError {
  const wanted = target.kind === 'name' ? target.reference : target.digest;
  return new SealiftError(
    'STORE_IMAGE_UNKNOWN',
    `remove ${wanted}: expected an image or name in the store, but there is none`,
    {
      context: { image: wanted },
    },
  );
}

function assertUnmounted(references: References, digests: readonly Digest[]): void {
  const mounted = digests.find((digest) => !isUnmounted(references, digest));
  if (mounted === undefined) return;
  const at = references.mounts.find(({ imageDigest }) => imageDigest === mounted)?.target ?? '';
  throw new SealiftError(
    'STORE_IMAGE_IN_USE',
    `remove ${mounted}: expected an unmounted image, but it is mounted on ${at}`,
    {
      context: { image: mounted, path: at },
    },
  );
}

function holdAll(stateDir: string, digests: readonly Digest[]): ReadonlyMap<Digest, HeldLock> {
  const locks = new Map<Digest, HeldLock>();
  for (const digest of digests) {
    const lock = tryUseLock(stateDir, digest, 'exclusive');
    if (lock !== undefined) {
      locks.set(digest, lock);
      continue;
    }
    for (const held of locks.values()) held.release({ remove: true });
    throw new SealiftError(
      'STORE_IMAGE_IN_USE',
      `remove ${digest}: expected no running pull of the image, but there is one`,
      {
        context: { image: digest },
        hint: 'wait for the pull to end',
      },
    );
  }
  return locks;
}
