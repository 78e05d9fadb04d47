import { describe, expect, it } from 'vitest';
import { createMountWatch } from '../../../src/daemon/watch-mounts.ts';

const overlay = (id: number) =>
  `${id} 28 0:${id} / /run/kata-containers/c${id}/rootfs rw - overlay overlay rw,lowerdir=x`;
const other = (id: number) => `${id} 28 0:${id} / /tmp rw - tmpfs tmpfs rw`;

function world() {
  const seen = { lines: [] as string[], unmounts: 0 };
  let release: (() => void) | undefined;
  const hold = { isHeld: false };
  const watch = createMountWatch({
    readMountinfo: () => `${seen.lines.join('\n')}\n`,
    onUnmount: async () => {
      seen.unmounts += 1;
      if (hold.isHeld) await new Promise<void>((resolve) => (release = resolve));
    },
  });
  return { watch, seen, hold, release: () => release?.() };
}

describe('createMountWatch', () => {
  it('tells when an overlay is gone, and not of new ones or of other mounts', async () => {
    const { watch, seen } = world();
    const looks: number[] = [];
    for (const lines of [[overlay(1), other(9)], [overlay(1), overlay(2), other(9)], [overlay(2)], [overlay(2)], []]) {
      seen.lines = lines;
      await watch.look();
      looks.push(seen.unmounts);
    }
    expect(looks).toEqual([0, 0, 1, 1, 2]);
  });

  it('notices a rootfs that was unmounted and mounted again between two looks', async () => {
    const { watch, seen } = world();
    seen.lines = [overlay(1)];
    await watch.look();
    seen.lines = [overlay(2)];
    await watch.look();
    expect(seen.unmounts).toBe(1);
  });

  it('tells once of an expected one, which may have come and gone between two looks', async () => {
    const { watch, seen } = world();
    await watch.look();
    watch.expect();
    await watch.look();
    await watch.look();
    expect(seen.unmounts).toBe(1);
  });

  it('looks once at a time', async () => {
    const { watch, seen, hold, release } = world();
    seen.lines = [overlay(1), overlay(2)];
    await watch.look();
    hold.isHeld = true;
    seen.lines = [overlay(2)];
    const first = watch.look();
    seen.lines = [];
    await watch.look();
    expect(seen.unmounts).toBe(1);
    hold.isHeld = false;
    release();
    await first;
    await watch.look();
    expect(seen.unmounts).toBe(2);
  });
});
