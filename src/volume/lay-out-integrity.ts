const SECTOR_BYTES = 512;

/**
 * The constants of dm-integrity with blocks of 4 KiB and its defaults, as cryptsetup sets it up. Names and values are
 * those of https://github.com/torvalds/linux/blob/v6.12/drivers/md/dm-integrity.c
 */
const SUPERBLOCK_SECTORS = 8;
const SECTORS_PER_BLOCK = 8;
const LOG2_SECTORS_PER_BLOCK = 3;
const LOG2_INTERLEAVE_SECTORS = 15;
const MAX_JOURNAL_SECTORS = 131_072;
const JOURNAL_SIZE_FACTOR = 7;
const JOURNAL_BLOCK_SECTORS = 8;
const JOURNAL_SECTOR_DATA = SECTOR_BYTES - 8;
const JOURNAL_ENTRY_HEAD_BYTES = 8;
const METADATA_PADDING_BYTES = 8 * SECTOR_BYTES;

interface IntegrityLayout {
  /** The sectors that are left for data. */
  readonly dataSectors: number;
  /** The sectors of the journal, which are reserved although the journal is not used. */
  readonly journalSectors: number;
  readonly interleaveSectors: number;
}

/**
 * Computes the layout of dm-integrity on a device of `deviceSectors`, or undefined when nothing would be left for data.
 * The kernel reads the same numbers from a superblock on the device, which is not authenticated.
 */
export function layOutIntegrity(deviceSectors: number, tagBytes: number): IntegrityLayout | undefined {
  const journalSectors = layOutJournal(deviceSectors, tagBytes);
  const initialSectors = SUPERBLOCK_SECTORS + journalSectors;
  const interleaveSectors = 2 ** LOG2_INTERLEAVE_SECTORS;
  const runBytes = roundUp(tagBytes * (interleaveSectors / SECTORS_PER_BLOCK), METADATA_PADDING_BYTES);
  const runSectors = runBytes / SECTOR_BYTES;
  const fits = (dataSectors: number): boolean => {
    const last = dataSectors - 1;
    const area = Math.floor(last / interleaveSectors);
    const end = area * interleaveSectors + (area + 1) * runSectors + initialSectors + (last % interleaveSectors);
    return end < deviceSectors;
  };
  // Like get_provided_data_sectors of the kernel: bit by bit from the highest, in whole blocks.
  let dataSectors = 0;
  for (let bit = Math.floor(Math.log2(deviceSectors)); bit >= LOG2_SECTORS_PER_BLOCK; bit -= 1) {
    if (fits(dataSectors + 2 ** bit)) dataSectors += 2 ** bit;
  }
  return dataSectors === 0 ? undefined : { dataSectors, journalSectors, interleaveSectors };
}

function layOutJournal(deviceSectors: number, tagBytes: number): number {
  const wanted = Math.min(MAX_JOURNAL_SECTORS, Math.floor(deviceSectors / 2 ** JOURNAL_SIZE_FACTOR));
  const entryBytes = roundUp(JOURNAL_ENTRY_HEAD_BYTES + 8 * SECTORS_PER_BLOCK + tagBytes, 8);
  const entries = Math.floor(JOURNAL_SECTOR_DATA / entryBytes) * JOURNAL_BLOCK_SECTORS;
  const sectionSectors = entries * SECTORS_PER_BLOCK + JOURNAL_BLOCK_SECTORS;
  return sectionSectors * Math.max(1, Math.floor(wanted / sectionSectors));
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
