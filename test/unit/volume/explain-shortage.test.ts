import { describe, expect, it } from 'vitest';
import { explainShortage } from '../../../src/volume/index.ts';

const GIB = 2 ** 30;
const figures = { needBytes: 6 * GIB, sizeBytes: 10 * GIB, availableBytes: 2 * GIB };

describe('explainShortage', () => {
  it('names the annotation and a size that is enough', () => {
    const text = explainShortage({ place: { kind: 'device' }, ...figures });
    expect(text).toBe(
      'needs 6.0 GiB, has 2.0 GiB of 10.0 GiB free; raise the annotation contrast.edgeless.systems/image-store-size, or the volume, to 18Gi',
    );
  });

  it('names the memory limit, and the image store as the other way', () => {
    const text = explainShortage({ place: { kind: 'memory' }, ...figures });
    expect(text).toContain('needs 6.0 GiB, has 2.0 GiB of 10.0 GiB free');
    expect(text).toContain('raise the memory limit of the pod');
    expect(text).toContain('contrast.edgeless.systems/image-store-size: 18Gi');
  });

  it('shows small numbers as they are', () => {
    const text = explainShortage({ place: { kind: 'device' }, needBytes: 1_000, sizeBytes: 2_048, availableBytes: 0 });
    expect(text).toContain('needs 1000 bytes, has 0 bytes of 2.0 KiB free');
  });
});
