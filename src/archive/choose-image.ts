import { SealiftError } from '../errors/index.ts';
import { formatReference, type ImageSelector, type IndexEntry, parseReference, withDefaultTag } from '../oci/index.ts';
import type { DockerManifestItem } from './schema.ts';

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys */
const REF_NAME = 'org.opencontainers.image.ref.name';
const MAX_LISTED = 20;

export function nameOf({ annotations }: IndexEntry): string | undefined {
  return annotations[REF_NAME];
}

/**
 * Returns the entry of a layout's index that the reference selects. Throws `ARCHIVE_IMAGE_UNKNOWN`,
 * `ARCHIVE_IMAGE_AMBIGUOUS`.
 */
export function chooseEntry(entries: readonly IndexEntry[], selector: ImageSelector): IndexEntry {
  const named = (name: string): IndexEntry[] => {
    const found = entries.filter((entry) => nameOf(entry) === name);
    // Entries with one name and one digest are the same image.
    return [...new Map(found.map((entry) => [entry.digest, entry])).values()];
  };
  return choose(entries, selector, { named, names: entries.map((entry) => nameOf(entry)) });
}

/** Does the same for the items of a docker-archive's manifest.json, whose names are references. */
export function chooseItem(items: readonly DockerManifestItem[], selector: ImageSelector): DockerManifestItem {
  const named = (name: string) => items.filter(({ RepoTags: tags }) => tags.some((tag) => expandTag(tag) === name));
  return choose(items, selector, { named, names: items.map(({ RepoTags: [tag] }) => tag) });
}

function expandTag(tag: string): string {
  try {
    return formatReference(withDefaultTag(parseReference(tag)));
  } catch (cause) {
    throw new SealiftError('ARCHIVE_INVALID', `manifest.json: expected references in RepoTags, got "${tag}"`, {
      cause,
    });
  }
}

interface Names<Image> {
  readonly named: (name: string) => readonly Image[];
  readonly names: readonly (string | undefined)[];
}

function choose<Image>(images: readonly Image[], selector: ImageSelector, { named, names }: Names<Image>): Image {
  const candidates = select(images, selector, named);
  const [image] = candidates;
  if (image !== undefined && candidates.length === 1) return image;
  const wanted = describe(selector);
  const context = { expected: wanted, images: images.length };
  const message = `expected ${wanted}, got ${candidates.length} of ${images.length}: ${list(names)}`;
  throw new SealiftError(image === undefined ? 'ARCHIVE_IMAGE_UNKNOWN' : 'ARCHIVE_IMAGE_AMBIGUOUS', message, {
    context,
  });
}

function select<Image>(
  images: readonly Image[],
  selector: ImageSelector,
  named: Names<Image>['named'],
): readonly Image[] {
  if (selector.kind === 'only') return images;
  if (selector.kind === 'name') return named(selector.name);
  return images.slice(selector.position, selector.position + 1);
}

function describe(selector: ImageSelector): string {
  if (selector.kind === 'name') return `one image named "${selector.name}"`;
  return selector.kind === 'position' ? `an image at position ${selector.position}` : 'a single image';
}

function list(names: readonly (string | undefined)[]): string {
  const shown = names.slice(0, MAX_LISTED).map((name, position) => name ?? `@${position}`);
  const more = names.length > MAX_LISTED ? ` and ${names.length - MAX_LISTED} more` : '';
  return shown.length === 0 ? 'the archive has none' : `${shown.join(', ')}${more}`;
}
