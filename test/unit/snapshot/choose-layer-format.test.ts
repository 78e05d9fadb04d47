import { describe, expect, it } from 'vitest';
import { chooseLayerFormat, formatOnAnyKernel } from '../../../src/snapshot/choose-layer-format.ts';
import { expectFailure } from '../../support/matchers.ts';

const UNUSABLE = { erofs: { unusable: 'unknown filesystem type' } };

describe('chooseLayerFormat', () => {
  it('takes images where the kernel mounts them', () => {
    expect(chooseLayerFormat({ erofs: 'usable' }).format).toBe('erofs');
    expect(chooseLayerFormat({ erofs: 'usable' }, 'erofs').format).toBe('erofs');
  });

  it('falls back to directories, and says why', () => {
    const { format, reason } = chooseLayerFormat(UNUSABLE);
    expect(format).toBe('directory');
    expect(reason).toContain('unknown filesystem type');
  });

  it('takes directories when told to', () => {
    expect(chooseLayerFormat({ erofs: 'usable' }, 'directory').format).toBe('directory');
  });

  it('refuses images that were asked for and cannot be mounted', async () => {
    const error = await expectFailure('SNAPSHOT_FORMAT_UNSUPPORTED', () => chooseLayerFormat(UNUSABLE, 'erofs'));
    expect(error.message).toContain('unknown filesystem type');
  });

  it('takes a format with hash trees where they are needed, and nothing else', async () => {
    expect(chooseLayerFormat({ erofs: 'usable' }, 'with-tree').format).toBe('erofs');
    await expectFailure('SNAPSHOT_FORMAT_UNSUPPORTED', () => chooseLayerFormat(UNUSABLE, 'with-tree'));
  });
});

describe('formatOnAnyKernel', () => {
  it('saves a probe where directories are wanted', () => {
    expect(formatOnAnyKernel('directory')).toBe('directory');
  });

  it.each(['auto', 'erofs', 'with-tree'] as const)('leaves %s to the probe', (wish) => {
    expect(formatOnAnyKernel(wish)).toBeUndefined();
  });
});
