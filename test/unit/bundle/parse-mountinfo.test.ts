import { describe, expect, it } from 'vitest';
import { mountPointsUnder, parseMountinfo } from '../../../src/bundle/index.ts';

const TEXT = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '40 22 0:33 / /b/rootfs rw - overlay overlay rw,lowerdir=/x',
  '41 40 0:34 / /b/rootfs/proc rw - proc proc rw',
  '42 22 0:35 / /b/rootfs2 rw - tmpfs tmpfs rw',
  '43 22 0:36 / /with\\040space\\011tab\\012line\\134back\\043hash rw master:3 - tmpfs t rw',
  '44 40 0:37 / /b/rootfs rw - tmpfs over rw',
  '',
].join('\n');

describe('parseMountinfo', () => {
  it('reads mount points in order and undoes the octal escapes', () => {
    const points = parseMountinfo(TEXT).map((mount) => mount.mountPoint);
    expect(points).toEqual([
      '/',
      '/b/rootfs',
      '/b/rootfs/proc',
      '/b/rootfs2',
      '/with space\ttab\nline\\back#hash',
      '/b/rootfs',
    ]);
  });

  it('keeps a backslash that starts no octal escape', () => {
    expect(parseMountinfo('1 0 0:1 / /a\\9b rw - t t rw')[0]?.mountPoint).toBe('/a\\9b');
  });

  it('skips lines that are not mounts', () => {
    expect(parseMountinfo('\n1 2 3\n')).toEqual([]);
  });
});

describe('mountPointsUnder', () => {
  it('lists the directory and what is below, the last mounted first, and no sibling of a longer name', () => {
    expect(mountPointsUnder(parseMountinfo(TEXT), '/b/rootfs')).toEqual(['/b/rootfs', '/b/rootfs/proc', '/b/rootfs']);
  });
});
