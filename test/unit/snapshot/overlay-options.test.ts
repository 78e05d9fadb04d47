import { describe, expect, it } from 'vitest';
import { formatOverlayOptions } from '../../../src/snapshot/overlay-options.ts';

const DIRECTORIES = { lowers: ['/l2', '/l1'], upper: '/u', work: '/w' };

describe('formatOverlayOptions', () => {
  it('turns off what a layer could steer, and lists the topmost layer first', () => {
    expect(formatOverlayOptions(DIRECTORIES)).toBe(
      'redirect_dir=nofollow,metacopy=off,index=off,xino=off,lowerdir=/l2:/l1,upperdir=/u,workdir=/w',
    );
  });

  it('escapes what separates options and layers', () => {
    const odd = { lowers: ['/a:b,c\\d'], upper: '/u:,\\', work: '/w,' };
    expect(formatOverlayOptions(odd)).toMatch(/,lowerdir=\/a\\:b\\,c\\\\d,upperdir=\/u:\\,\\\\,workdir=\/w\\,$/);
  });

  it('answers undefined when it is longer than a page less one byte', () => {
    const base = formatOverlayOptions({ ...DIRECTORIES, lowers: ['/'] })?.length ?? 0;
    const fitting = (length: number) => formatOverlayOptions({ ...DIRECTORIES, lowers: [`/${'x'.repeat(length)}`] });
    expect(fitting(4095 - base)).toHaveLength(4095);
    expect(fitting(4096 - base)).toBeUndefined();
    const wide = `/${'\u00e9'.repeat(4095 - base)}`;
    expect(formatOverlayOptions({ ...DIRECTORIES, lowers: [wide] })).toBeUndefined();
  });
});
