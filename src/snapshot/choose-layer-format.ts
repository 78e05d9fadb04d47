import { SealiftError } from '../errors/index.ts';
import type { LayerFormatChoice, LayerFormatProbe } from './types.ts';

/**
 * The format that new layers get: images wherever the kernel takes them, unless configuration says otherwise. Throws
 * `SNAPSHOT_FORMAT_UNSUPPORTED`.
 */
export function chooseLayerFormat(
  { erofs }: Pick<LayerFormatProbe, 'erofs'>,
  wanted: 'auto' | 'erofs' | 'directory' = 'auto',
): LayerFormatChoice {
  if (wanted === 'directory') return { format: 'directory', reason: 'configuration says so' };
  if (erofs === 'usable') return { format: 'erofs', reason: 'the kernel mounts EROFS images' };
  if (wanted === 'auto') return { format: 'directory', reason: `EROFS images cannot be mounted: ${erofs.unusable}` };
  throw new SealiftError(
    'SNAPSHOT_FORMAT_UNSUPPORTED',
    `choose layer format: expected EROFS images to be usable, got ${erofs.unusable}`,
  );
}
