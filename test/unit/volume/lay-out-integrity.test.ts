import { describe, expect, it } from 'vitest';
import { layOutIntegrity } from '../../../src/volume/lay-out-integrity.ts';

const MIB_SECTORS = 2048;
const TAG_BYTES = 32;

describe('layOutIntegrity', () => {
  // Read from `dmsetup table` of devices that cryptsetup 2.6 and Linux 6.1 had formatted.
  it.each([
    { mib: 64, dataSectors: 129_248, journalSectors: 792 },
    { mib: 65, dataSectors: 131_072, journalSectors: 792 },
    { mib: 300, dataSectors: 604_776, journalSectors: 4_752 },
    { mib: 1_024, dataSectors: 2_064_392, journalSectors: 16_368 },
    { mib: 250 * 1_024, dataSectors: 520_093_696, journalSectors: 130_944 },
    { mib: 4_096 * 1_024, dataSectors: 8_523_215_992, journalSectors: 130_944 },
  ])('computes the layout of the kernel for $mib MiB', ({ mib, dataSectors, journalSectors }) => {
    expect(layOutIntegrity(mib * MIB_SECTORS, TAG_BYTES)).toEqual({
      dataSectors,
      journalSectors,
      interleaveSectors: 32_768,
    });
  });

  it('never exceeds the device, and leaves less than one area and its tags unused', () => {
    for (let sectors = 4_096; sectors < 2 ** 34; sectors = Math.floor(sectors * 1.37) + 1) {
      const layout = layOutIntegrity(sectors, TAG_BYTES);
      if (layout === undefined) throw new Error(`nothing fits into ${sectors} sectors`);
      const { dataSectors, journalSectors } = layout;
      const areas = Math.ceil(dataSectors / 32_768);
      const used = 8 + journalSectors + areas * 256 + dataSectors;
      expect(used).toBeLessThanOrEqual(sectors);
      expect(sectors - used).toBeLessThan(256 + 8);
      expect(dataSectors % 8).toBe(0);
    }
  });

  it.each([1, 8, 100, 512])('has no room for data in %i sectors', (sectors) => {
    expect(layOutIntegrity(sectors, TAG_BYTES)).toBeUndefined();
  });
});
