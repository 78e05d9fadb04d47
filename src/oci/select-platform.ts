import { SealiftError } from '../errors/index.ts';
import type { IndexEntry } from './manifest.ts';
import { isImageConfigType } from './media-type.ts';
import { formatPlatform, normalizePlatform, type Platform } from './platform.ts';

/** The lowest version of each architecture whose versions run the programs of all lower versions. */
const LOWEST_VERSIONS: ReadonlyMap<string, number> = new Map([
  ['amd64', 1],
  ['arm', 5],
  ['arm64', 8],
]);

const MAX_LISTED = 20;

/** Returns the wanted variant and then the other variants that it can run, best first. */
function acceptableVariants({ architecture, variant }: Platform): readonly (string | undefined)[] {
  const lowest = LOWEST_VERSIONS.get(architecture);
  if (lowest === undefined) return [variant, undefined];
  const version = Number(/^v([0-9]{1,2})/.exec(variant ?? '')?.[1] ?? lowest);
  const versions = Array.from({ length: Math.max(version - lowest + 1, 0) }, (_, step) => `v${version - step}`);
  return [variant, ...versions, undefined];
}

function isRunnable({ platform, artifactType }: IndexEntry): boolean {
  // Builders attach attestations as entries for this platform, which no machine has.
  if (platform?.os === 'unknown' && platform.architecture === 'unknown') return false;
  // https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#properties: images have the type of their
  // config.
  return artifactType === undefined || isImageConfigType(artifactType);
}

function platformOf(entry: IndexEntry): Platform | undefined {
  return entry.platform === undefined ? undefined : normalizePlatform(entry.platform);
}

/**
 * Returns the entry of an index for the wanted platform: the first one with the best variant, or else the first one
 * that names no platform (an index in an index). `os.version` is ignored.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md — throws `PLATFORM_NOT_FOUND`.
 */
export function selectPlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const target = normalizePlatform(wanted);
  const runnable = entries.filter(isRunnable);
  const sameMachine = runnable.filter((entry) => {
    const platform = platformOf(entry);
    return platform?.os === target.os && platform.architecture === target.architecture;
  });
  for (const variant of acceptableVariants(target)) {
    const found = sameMachine.find((entry) => platformOf(entry)?.variant === variant);
    if (found !== undefined) return found;
  }
  const unlabelled = runnable.find((entry) => entry.platform === undefined);
  if (unlabelled !== undefined) return unlabelled;

  const available = runnable.map((entry) => (entry.platform === undefined ? '' : formatPlatform(entry.platform)));
  const listed = available.slice(0, MAX_LISTED).join(', ') || 'no image that can be run';
  const more = available.length > MAX_LISTED ? ` and ${available.length - MAX_LISTED} more` : '';
  throw new SealiftError(
    'PLATFORM_NOT_FOUND',
    `select platform: expected ${formatPlatform(target)}, the index has ${listed}${more}`,
    { context: { expected: formatPlatform(target), actual: listed } },
  );
}
