import type { Command } from 'commander';
import { formatRepositoryName, parseReference } from '../../oci/index.ts';
import type { ListedImage } from '../../pull/index.ts';
import { addStoreFlags, parseStoreOptions, type StoreCommandOptions, type StoreFlags } from '../flags/store-flags.ts';
import { formatBytes } from '../format-bytes.ts';
import type { CommandContext, CommandIo } from '../types.ts';

export interface ImagesResult {
  /** The image that was pulled last comes first. */
  readonly images: readonly ListedImage[];
}

export interface ImagesCommands {
  images(options: StoreCommandOptions, io: CommandIo): Promise<ImagesResult>;
}

const EXAMPLES = `
SIZE is what the layers of an image take of the disk, SHARED the part that other images use as well.

Examples:
  sealift images
  sealift images --store /mnt/layers --json
  sealift images --daemon -c /run/confidential-containers/initdata/cdh.toml
`;

export function addImages(program: Command, commands: ImagesCommands, context: CommandContext): void {
  addStoreFlags(program.command('images').description('list the images of the store'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StoreFlags) => {
      const result = await commands.images(parseStoreOptions(flags, context), context.begin(flags));
      context.finish({ result, output: () => formatImages(result.images) }, flags);
    });
}

const HEADINGS = ['NAME', 'TAG/DIGEST', 'PLATFORM', 'SIZE', 'SHARED', 'USED'] as const;
const NAMELESS = '<none>';

/** Prints a line for each name, and a line for an image without a name. */
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
