import { SealiftError } from '../errors/index.ts';
import type { LayerFormatName } from '../layer-formats/index.ts';
import type { ChosenLayerFormat, LayerFormatProbe } from './types.ts';

/**
 * Chooses the format of new layers: images wherever the kernel mounts them, unless configuration says otherwise. Throws
 * `SNAPSHOT_FORMAT_UNSUPPORTED` when `wanted` is a format that the kernel does not mount.
 */
export function chooseLayerFormat(
  { erofs }: Pick<LayerFormatProbe, 'erofs'>,
  wanted: 'auto' | LayerFormatName = 'auto',
): ChosenLayerFormat {
  if (wanted === 'directory') return { format: 'directory', reason: 'configuration says so' };
  if (erofs === 'usable') return { format: 'erofs', reason: 'the kernel mounts EROFS images' };
  if (wanted === 'auto') return { format: 'directory', reason: `EROFS images cannot be mounted: ${erofs.unusable}` };
  throw new SealiftError(
    'SNAPSHOT_FORMAT_UNSUPPORTED',
    `choose layer format: expected EROFS images to be usable, got ${erofs.unusable}`,
  );
}
