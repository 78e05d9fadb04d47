import { describe, expect, it } from 'vitest';
import { mountsUpper } from '../../../src/snapshot/mounted-elsewhere.ts';

const ID = 'ab'.repeat(16);

function line(options: string, type = 'overlay'): string {
  return `36 35 98:0 / /bundle/rootfs rw,relatime shared:1 - ${type} overlay rw,${options}\n`;
}

describe('mountsUpper', () => {
  it.each<[string, boolean, string]>([
    ['its upper among other mounts', true, line('lowerdir=/l') + line(`upperdir=/data/uppers/${ID}/upper,workdir=/w`)],
    ['an upper with odd characters in its path', true, line(`upperdir=/d\\040d/uppers/${ID}/upper`)],
    ['an upper that shows no path', true, line('upperdir=/proc/self/fd/23')],
    ['other uppers', false, line(`upperdir=/data/uppers/${'cd'.repeat(16)}/upper`)],
    ['the path in a mount of another type', false, line(`upperdir=/data/uppers/${ID}/upper`, 'tmpfs')],
    ['nothing', false, ''],
  ])('reads of %s: %s', (_, expected, mountinfo) => {
    expect(mountsUpper(mountinfo, ID)).toBe(expected);
  });
});
