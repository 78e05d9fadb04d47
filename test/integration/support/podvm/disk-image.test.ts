import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../../../support/machine/needs.ts';
import { Scratch } from '../../../support/machine/scratch.ts';
import { DiskImage } from '../../../support/podvm/disk-image.ts';

const MIB = 1 << 20;
const WORDS = Buffer.from('known words');

let scratch: Scratch;
let image: DiskImage;

beforeEach(() => {
  scratch = new Scratch('disk');
  image = DiskImage.create(scratch.join('disk.img'), 250 * 1024 * MIB);
});

afterEach(() => scratch[Symbol.dispose]());

describeWith(['qemu-img'], 'a disk image', () => {
  it('takes no more than what was written', async () => {
    expect(image.allocatedBytes()).toBe(0);
    expect(await image.listExtents()).toEqual([]);
    image.write(100_000 * MIB, WORDS);
    expect(image.allocatedBytes()).toBeLessThan(MIB);
    expect(image.read(100_000 * MIB, WORDS.length).equals(WORDS)).toBe(true);
    expect(() => image.write(image.size, WORDS)).toThrow(RangeError);
  });

  it('finds words wherever they lie, across the pieces it reads, and no others', async () => {
    const places = [5, 3 * MIB - 4, 200_000 * MIB + MIB - WORDS.length];
    image.write(0, Buffer.alloc(4 * MIB, 1));
    image.write(200_000 * MIB, Buffer.alloc(MIB, 1));
    expect(await image.find(WORDS)).toBeUndefined();
    for (const place of places) image.write(place, WORDS);
    const found: (number | undefined)[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      from = await image.find(WORDS, from);
      if (from === undefined) break;
      found.push(from);
      from += 1;
    }
    expect(found).toEqual(places);
    image.flipBit(5, 0);
    expect(await image.find(WORDS)).toBe(places[1]);
  });

  it('rolls back what was written since, whole or a range of it', async () => {
    image.write(0, Buffer.from('old'));
    const snapshot = await image.takeSnapshot();
    image.write(0, Buffer.from('new'));
    image.write(MIB, WORDS);
    image.write(9_000 * MIB, WORDS);
    await image.restore(snapshot, { start: MIB, length: MIB });
    expect(image.read(0, 3).toString()).toBe('new');
    expect(image.read(MIB, 4)).toEqual(Buffer.alloc(4));
    expect(await image.find(WORDS)).toBe(9_000 * MIB);
    await image.restore(snapshot);
    expect(image.read(0, 3).toString()).toBe('old');
    expect(await image.find(WORDS)).toBeUndefined();
  });
});
