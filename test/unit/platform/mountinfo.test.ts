import { describe, expect, it } from 'vitest';
import { mountAt, mountPointsUnder, parseMountinfo } from '../../../src/platform/mountinfo.ts';

const TEXT = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '40 22 0:33 / /b/rootfs rw - overlay overlay rw,lowerdir=/x',
  '41 40 0:34 / /b/rootfs/proc rw - proc proc rw',
  '42 22 0:35 /sub /b/rootfs2 rw - tmpfs tmpfs rw',
  '43 22 0:36 / /with\\040space\\011tab\\012line\\134back\\043hash rw master:3 propagate_from:4 - tmpfs t\\040t rw',
  '44 40 0:37 / /b/rootfs rw - tmpfs over rw',
  '',
].join('\n');

describe('parseMountinfo', () => {
  it('reads device, place, type and source, however many optional fields lie between', () => {
    expect(parseMountinfo(TEXT).slice(0, 2)).toEqual([
      { deviceId: '8:1', mountPoint: '/', type: 'ext4', source: '/dev/sda1' },
      { deviceId: '0:33', mountPoint: '/b/rootfs', type: 'overlay', source: 'overlay' },
    ]);
  });

  it('undoes the octal escapes', () => {
    expect(parseMountinfo(TEXT)[4]).toEqual({
      deviceId: '0:36',
      mountPoint: '/with space\ttab\nline\\back#hash',
      type: 'tmpfs',
      source: 't t',
    });
  });

  it('keeps a backslash that starts no octal escape', () => {
    expect(parseMountinfo('1 0 0:1 / /a\\9b rw - t t rw')[0]?.mountPoint).toBe('/a\\9b');
  });

  it('skips lines that are not mounts', () => {
    expect(parseMountinfo('\n1 2 3\n1 0 0:1 / /half rw\n')).toEqual([]);
  });
});

describe('mountPointsUnder', () => {
  it('lists the directory and what is below, the last mounted first, and no sibling of a longer name', () => {
    expect(mountPointsUnder(parseMountinfo(TEXT), '/b/rootfs')).toEqual(['/b/rootfs', '/b/rootfs/proc', '/b/rootfs']);
  });
});

describe('mountAt', () => {
  it('finds what covers the others at a place', () => {
    expect(mountAt(parseMountinfo(TEXT), '/b/rootfs')?.source).toBe('over');
    expect(mountAt(parseMountinfo(TEXT), '/b')).toBeUndefined();
  });
});
