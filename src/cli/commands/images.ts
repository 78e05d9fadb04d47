import { formatRepositoryName, parseReference } from '../../oci/index.ts';
import type { ListedImage, Removal } from '../../pull/index.ts';
import { formatBytes } from '../format-bytes.ts';

const HEADINGS = ['NAME', 'TAG/DIGEST', 'PLATFORM', 'SIZE', 'SHARED', 'USED'] as const;
const NAMELESS = '<none>';

/** One line for each name, and one for an image that has none. */
export function formatImages(images: readonly ListedImage[]): string {
  const rows = images.flatMap((image) => {
    const names = image.names.length > 0 ? image.names.map(splitName) : [[NAMELESS, image.manifestDigest]];
    return names.map((name) => [...name, ...describe(image)]);
  });
  return formatColumns([HEADINGS, ...rows]);
}

function splitName(reference: string): readonly string[] {
  const parsed = parseReference(reference);
  return [formatRepositoryName(parsed), [parsed.tag, parsed.digest].filter((part) => part !== undefined).join('@')];
}

function describe({ platform, diskBytes, sharedBytes, mounts }: ListedImage): readonly string[] {
  const used = mounts.length === 0 ? '-' : `mounted${mounts.length > 1 ? ` ${mounts.length}×` : ''}`;
  return [platform, formatBytes(diskBytes), formatBytes(sharedBytes), used];
}

function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** What went by name and digest, one on a line. */
export function formatRemoved({ names, images }: Removal): string {
  return [...names, ...images].map((thing) => `${thing}\n`).join('');
}

export function formatRemovalRemark({ names, images, layers, uppers, freedBytes }: Removal): string {
  const counts = [
    count(names.length, 'name'),
    count(images.length, 'image'),
    count(layers.length, 'layer'),
    count(uppers, 'writable layer'),
  ];
  return `removed ${counts.join(', ')}; ${formatBytes(freedBytes)} freed\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
