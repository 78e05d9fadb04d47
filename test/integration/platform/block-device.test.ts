import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  blockDeviceNode,
  describeBlockDevice,
  findBlockDevice,
  formatDeviceNumber,
  readDirect,
  readDiskseq,
  writeZerosDirect,
} from '../../../src/platform/index.ts';
import { VOLUME_OPERATIONS } from '../../../src/volume/index.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const BLOCK = 4096;
const BLOCKS = 16;

describeWith(['root', 'losetup'], 'a block device', () => {
  const scratch = new Scratch('block');
  const backing = scratch.join('backing');
  let loop: string;

  beforeAll(() => {
    writeFileSync(backing, Buffer.alloc(BLOCKS * BLOCK, 'x'));
    loop = execFileSync('losetup', ['--show', '-f', backing], { encoding: 'utf8' }).trim();
  });

  afterAll(() => {
    execFileSync('losetup', ['-d', loop]);
    scratch[Symbol.dispose]();
  });

  const numberOf = (path: string) => {
    const number = findBlockDevice(path);
    if (number === undefined) throw new Error(`${path} is a block device`);
    return number;
  };

  it('is known by its numbers', () => {
    const { rdev } = statSync(loop);
    const number = numberOf(loop);
    expect(formatDeviceNumber(number)).toBe(`7:${rdev & 0xff}`);
    const facts = describeBlockDevice(number);
    expect(facts).toMatchObject({
      number,
      name: basename(loop),
      kind: 'virtual',
      bytes: BLOCKS * BLOCK,
      sectorBytes: 512,
      isReadOnly: false,
      holders: [],
    });
    expect(blockDeviceNode({ name: basename(loop), number })).toBe(loop);
  });

  it('has a sequence number that an open descriptor tells as well', () => {
    const fd = openSync(loop, 'r');
    try {
      expect(readDiskseq(fd)).toBe(describeBlockDevice(numberOf(loop))?.diskseq);
    } finally {
      closeSync(fd);
    }
  });

  it('is none: a file, a directory, a character device, a name that nobody has', () => {
    for (const path of [backing, scratch.path, '/dev/null', '/dev/no-such-device']) {
      expect(findBlockDevice(path)).toBeUndefined();
    }
    expect(describeBlockDevice({ major: 4095, minor: 1 })).toBeUndefined();
  });

  it('is not taken for another one of its name', async () => {
    await expectFailure('PLATFORM_CALL_FAILED', () =>
      blockDeviceNode({ name: basename(loop), number: { major: 7, minor: 9999 } }),
    );
  });

  it('is read and cleared past the page cache, block by block', () => {
    writeZerosDirect(loop, [1, BLOCKS - 1]);
    const content = readFileSync(backing);
    const isZero = Array.from({ length: BLOCKS }, (_, block) =>
      content.subarray(block * BLOCK, (block + 1) * BLOCK).every((byte) => byte === 0),
    );
    expect(isZero.flatMap((zero, block) => (zero ? [block] : []))).toEqual([1, BLOCKS - 1]);
    expect(readDirect(loop, 1)).toEqual(Buffer.alloc(BLOCK));
    expect(readDirect(loop, 2)).toEqual(Buffer.alloc(BLOCK, 'x'));
  });

  it('has an end', () => {
    expect(readDirect(loop, BLOCKS)).toHaveLength(0);
    expect(() => writeZerosDirect(loop, [BLOCKS])).toThrow(/ENOSPC/);
  });

  it('is no place for an image store when it is a loop device', async () => {
    const { major, minor } = numberOf(loop);
    await expectFailure('VOLUME_DEVICE_INVALID', () =>
      VOLUME_OPERATIONS.claimDevice({ source: { kind: 'deviceId', major, minor } }),
    );
    const absent = { kind: 'deviceId', major: 4095, minor: 1 } as const;
    expect(VOLUME_OPERATIONS.claimDevice({ source: absent })).toBeUndefined();
  });
});
