import { describe, expect, it } from 'vitest';
import { mountAt, parseMounts } from '../../../src/volume/parse-mounts.ts';

const MOUNTINFO = `23 1 0:22 / / rw,relatime shared:1 - tmpfs rootfs rw
40 23 253:1 / /run/image rw,nosuid,nodev,noexec,noatime - ext4 /dev/dm-1 rw,errors=remount-ro
41 23 0:44 / /run/with\\040space\\134 rw master:2 propagate_from:3 - tmpfs sealift-image-memory rw,size=1024k
42 40 0:45 /sub /run/image rw - tmpfs other rw
`;

describe('parseMounts', () => {
  it('reads device, place, type and source, however many optional fields lie between', () => {
    expect(parseMounts(MOUNTINFO).slice(1, 3)).toEqual([
      { deviceId: '253:1', mountPoint: '/run/image', type: 'ext4', source: '/dev/dm-1' },
      { deviceId: '0:44', mountPoint: '/run/with space\\', type: 'tmpfs', source: 'sealift-image-memory' },
    ]);
  });

  it('finds what covers the others at a place', () => {
    expect(mountAt(parseMounts(MOUNTINFO), '/run/image')?.source).toBe('other');
    expect(mountAt(parseMounts(MOUNTINFO), '/run/none')).toBeUndefined();
  });
});
