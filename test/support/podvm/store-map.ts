import type { DiskImage, Extent } from './disk-image.ts';
import type { PodVm } from './types.ts';

const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;
const SUPERBLOCK_SECTORS = 8;
const CHUNK_BYTES = 1 << 20;

interface FileExtent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
}

/** Where the bytes of a block of the store lie on the host's disk, and where the tag that authenticates them lies. */
export interface HostLocation {
  readonly offset: number;
  readonly tag: Extent;
}

/** The layout parameters in dm-integrity's live table. */
interface IntegrityTable {
  readonly tagBytes: number;
  readonly journalSectors: number;
  readonly interleaveSectors: number;
}

/** Finds where blocks of files of the image store lie on the host's disk. */
export class StoreMap {
  readonly #vm: PodVm;
  readonly #mapping: string;
  readonly #table: IntegrityTable;

  private constructor(vm: PodVm, mapping: string, table: IntegrityTable) {
    this.#vm = vm;
    this.#mapping = mapping;
    this.#table = table;
  }

  /** Reads the layout of the store that is open under that name. */
  static async read(vm: PodVm, mapping: string): Promise<StoreMap> {
    const table = await vm.mustRun(['dmsetup', 'table', `${mapping}_dif`]);
    const value = (pattern: RegExp): number => {
      const [, digits] = pattern.exec(table) ?? [];
      if (digits === undefined) throw new Error(`dm-integrity: ${pattern} is not in ${table}`);
      return Number(digits);
    };
    return new StoreMap(vm, mapping, {
      tagBytes: value(/ integrity \S+ 0 (\d+) D /),
      journalSectors: value(/ journal_sectors:(\d+)/),
      interleaveSectors: value(/ interleave_sectors:(\d+)/),
    });
  }

  /**
   * Returns a function that locates a block of the file on the host. `path` counts from the root of the file system.
   */
  async locateFile(path: string): Promise<(block: number) => HostLocation> {
    // The file may have been written a moment ago.
    await this.#vm.mustRun(['sync']);
    const dump = await this.#vm.mustRun(['debugfs', '-R', `dump_extents -l ${path}`, `/dev/mapper/${this.#mapping}`]);
    const extents = parseExtents(dump);
    return (block) => {
      const extent = extents.find(({ logical, length }) => block >= logical && block < logical + length);
      if (extent === undefined) throw new Error(`${path} has no block ${block}:\n${dump}`);
      return this.#locateBlock(extent.physical + block - extent.logical);
    };
  }

  /**
   * The data lie in areas of `interleaveSectors`, each after the tags of its blocks. In
   * https://github.com/torvalds/linux/blob/v6.12/drivers/md/dm-integrity.c: get_metadata_sector_and_offset,
   * get_data_sector
   */
  #locateBlock(block: number): HostLocation {
    const { tagBytes, journalSectors, interleaveSectors } = this.#table;
    const blocksInArea = interleaveSectors / SECTORS_PER_BLOCK;
    const tagRunBytes = Math.ceil((tagBytes * blocksInArea) / BLOCK_BYTES) * BLOCK_BYTES;
    const [area, blockInArea] = [Math.floor(block / blocksInArea), block % blocksInArea];
    const areaStart =
      (SUPERBLOCK_SECTORS + journalSectors) * SECTOR_BYTES + area * (tagRunBytes + blocksInArea * BLOCK_BYTES);
    return {
      offset: areaStart + tagRunBytes + blockInArea * BLOCK_BYTES,
      tag: { start: areaStart + blockInArea * tagBytes, length: tagBytes },
    };
  }
}

/** Parses lines of debugfs such as ` 0/ 0   1/  1     0 -  5119   34816 -  39935   5120`. */
function parseExtents(dump: string): FileExtent[] {
  const lines = dump.matchAll(/^\s*\d+\/\s*\d+\s+\d+\/\s*\d+\s+(\d+)\s+-\s+\d+\s+(\d+)\s+-\s+\d+\s+(\d+)/gm);
  return [...lines].map(([, logical, physical, length]) => ({
    logical: Number(logical),
    physical: Number(physical),
    length: Number(length),
  }));
}

/** Offsets of the 4 KiB blocks that differ. */
export async function changedBlocks(before: DiskImage, after: DiskImage): Promise<ReadonlySet<number>> {
  const changed = new Set<number>();
  for (const { start, length } of await after.listExtents()) {
    for (let chunk = start; chunk < start + length; chunk += CHUNK_BYTES) {
      const bytes = Math.min(CHUNK_BYTES, start + length - chunk);
      const [old, now] = [before.read(chunk, bytes), after.read(chunk, bytes)];
      for (let at = 0; at < bytes; at += BLOCK_BYTES) {
        const end = at + BLOCK_BYTES;
        if (old.compare(now, at, end, at, end) !== 0) changed.add(chunk + at);
      }
    }
  }
  return changed;
}
