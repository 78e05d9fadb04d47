import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { VOLUME_OPERATIONS } from '../../../src/volume/index.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const MIB = 2 ** 20;

describeWith(['root'], 'memory instead of a disk', () => {
  let scratch: Scratch;
  let mountPoint: string;

  beforeEach(() => {
    scratch = new Scratch('memory');
    mountPoint = scratch.join('deep/memory');
  });

  afterEach(async () => {
    await unmountBelow(scratch.path);
    scratch[Symbol.dispose]();
  });

  const mountMemory = (bytes = 8 * MIB) =>
    VOLUME_OPERATIONS.mountMemory({ mountPoint, size: { kind: 'bytes', bytes } });

  it('is mounted with its size, for root alone, and found mounted the next time', () => {
    mountMemory();
    mountMemory(16 * MIB);
    expect(mountsBelow(scratch.path)).toEqual([mountPoint]);
    expect(statSync(mountPoint).mode & 0o777).toBe(0o700);
    const [line = ''] = readFileSync('/proc/mounts', 'latin1')
      .split('\n')
      .filter((each) => each.includes(mountPoint));
    expect(line).toMatch(/^sealift-image-memory \S+ tmpfs rw,nosuid,nodev,noexec,noatime,.*size=8192k,nr_inodes=16384/);
    expect(line).not.toContain('huge=always');
    const space = VOLUME_OPERATIONS.measureSpace({ directory: mountPoint });
    expect(space).toMatchObject({ sizeBytes: 8 * MIB, usedBytes: 0, availableBytes: 8 * MIB });
  });

  it('reports no more than the memory that the machine has available', () => {
    mountMemory(2 ** 44);
    const space = VOLUME_OPERATIONS.measureSpace({ directory: mountPoint });
    const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
    expect(space).toMatchObject({ sizeBytes: 2 ** 44 });
    expect((space as { availableBytes: number }).availableBytes).toBeLessThan(total);
  });

  it('does not cover a mount of another program', async () => {
    mkdirSync(mountPoint, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'other', mountPoint]);
    await expectFailure('VOLUME_MOUNT_FAILED', () => mountMemory());
    expect(mountsBelow(scratch.path)).toEqual([mountPoint]);
  });

  it('does not follow a link', async () => {
    mkdirSync(scratch.join('target'));
    symlinkSync('target', scratch.join('deep'));
    await expectFailure('VOLUME_MOUNT_FAILED', () => mountMemory());
    expect(mountsBelow(scratch.path)).toEqual([]);
  });

  it('refuses to measure a directory that does not exist', async () => {
    await expectFailure('VOLUME_DEVICE_MISSING', () =>
      VOLUME_OPERATIONS.measureSpace({ directory: scratch.join('absent') }),
    );
  });
});
