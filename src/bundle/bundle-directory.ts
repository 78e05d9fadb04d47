import { type BigIntStats, lstatSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, mountPointsUnder, readMounts } from '../platform/index.ts';

export const CONFIG_NAME = 'config.json';
export const ROOTFS_NAME = 'rootfs';

/** True for the name of a partly written config.json that an interrupted pull left behind. */
export function isHalfWritten(name: string): boolean {
  return /^\.config\.json\.[0-9a-f]{16}$/.test(name);
}

/** What to do about a path at which no bundle can be made. */
export const NEW_BUNDLE_HINT =
  'name a directory that does not exist yet, or an empty one, and write to it as its owner only';
/** What to do about a path at which there is no bundle to undo. */
export const NO_BUNDLE_HINT =
  'name the directory of a bundle that Sealift has mounted; sealift images lists the mounted images';

/** Why a bundle is refused; without a hint, that of the code applies. */
interface Refusal {
  readonly cause?: unknown;
  readonly hint?: string;
}

export function refuseBundle(directory: string, detail: string, { cause, hint }: Refusal = {}): never {
  const errno = errnoOf(cause);
  throw new SealiftError(
    'BUNDLE_INVALID',
    `bundle ${directory}: ${detail}${errno === undefined ? '' : ` (${errno})`}`,
    {
      context: { directory },
      cause,
      ...(hint !== undefined && { hint }),
    },
  );
}

/** What lstat(2) answers for a path at which nothing can be. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** Undefined: nothing is at the path, or nothing can be. */
export function lstatIfAny(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (ABSENT.has(errnoOf(error))) return undefined;
    throw error;
  }
}

/** Device, inode number and time of birth: an inode number may be reused for another file, but its birth differs. */
export function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}

/** Returns the identity of what is at `path`; undefined: nothing is. */
export function identityAt(path: string): string | undefined {
  const stat = lstatIfAny(path);
  return stat === undefined ? undefined : identityOf(stat);
}

/** Lists the mount points at and below `rootfs` in this mount namespace, last mounted first. */
export function mountedAt(rootfs: string): readonly string[] {
  return mountPointsUnder(readMounts(), rootfs);
}
