import { describe, expect, it } from 'vitest';
import { explainShortage } from '../../../src/volume/index.ts';

const GIB = 2 ** 30;
const figures = { needBytes: 6 * GIB, likelyBytes: 6 * GIB, sizeBytes: 10 * GIB, availableBytes: 2 * GIB };

describe('explainShortage', () => {
  it('names the annotation and a size that is enough', () => {
    const text = explainShortage({ kind: 'device', ...figures });
    expect(text).toBe(
      'needs at least 6.0 GiB, has 2.0 GiB of 10.0 GiB free; raise the annotation contrast.edgeless.systems/image-store-size, or the volume, to 18Gi',
    );
  });

  it('names the memory limit and its setting, and the image store as the alternative', () => {
    const text = explainShortage({ kind: 'memory', ...figures });
    expect(text).toContain('needs at least 6.0 GiB, has 2.0 GiB of 10.0 GiB free');
    expect(text).toContain(
      'raise the memory limit of the pod or volume.memory_size, which is half of it by default, so that images have 18Gi',
    );
    expect(text).toContain('contrast.edgeless.systems/image-store-size: 18Gi');
  });

  it('names a size for the probable need of the image, and not only for its least need', () => {
    const text = explainShortage({ kind: 'device', ...figures, likelyBytes: 18 * GIB });
    expect(text).toContain('needs at least 6.0 GiB and probably 18.0 GiB, has');
    expect(text).toContain('to 33Gi');
  });

  it('shows small numbers as they are', () => {
    const small = { needBytes: 1_000, likelyBytes: 1_000, sizeBytes: 2_048, availableBytes: 0 };
    const text = explainShortage({ kind: 'device', ...small });
    expect(text).toContain('needs at least 1000 bytes, has 0 bytes of 2.0 KiB free');
  });
});
