import { SealiftError } from '../errors/index.ts';
import { LAYER_FORMATS, type LayerFormatDefinition, type LayerFormatName } from '../layer-formats/index.ts';
import type { ChosenLayerFormat, LayerFormatProbe } from './types.ts';

/** The wish for the format of new layers. `with-tree`: any format that a hash tree can protect. */
export type LayerFormatWish = 'auto' | 'with-tree' | LayerFormatName;

/**
 * Chooses the format of new layers: the first that meets the wish and that the kernel can mount. Throws
 * `SNAPSHOT_FORMAT_UNSUPPORTED` when there is none.
 */
export function chooseLayerFormat(
  probe: Pick<LayerFormatProbe, 'erofs'>,
  wish: LayerFormatWish = 'auto',
): ChosenLayerFormat {
  const lacks: string[] = [];
  for (const { name, kernelNeed } of formatsFor(wish)) {
    if (kernelNeed === undefined) {
      return { format: name, reason: lacks.length === 0 ? 'configuration says so' : lacks.join(', ') };
    }
    const usability = probe[kernelNeed.probe];
    if (usability === 'usable') return { format: name, reason: `the kernel mounts ${kernelNeed.what}` };
    lacks.push(`${kernelNeed.what} cannot be mounted: ${usability.unusable}`);
  }
  throw new SealiftError(
    'SNAPSHOT_FORMAT_UNSUPPORTED',
    `choose layer format: expected one that this kernel can mount, but ${lacks.join(', ')}`,
  );
}

/** Returns the one format that meets the wish on any kernel, or undefined when the kernel must be probed. */
export function formatOnAnyKernel(wish: LayerFormatWish): LayerFormatName | undefined {
  const [first] = formatsFor(wish);
  return first?.kernelNeed === undefined ? first?.name : undefined;
}

/** Returns the formats that meet a wish, the preferred one first. */
function formatsFor(wish: LayerFormatWish): readonly LayerFormatDefinition[] {
  const formats = Object.values(LAYER_FORMATS);
  if (wish === 'auto') return formats;
  return wish === 'with-tree' ? formats.filter(({ canHaveTree }) => canHaveTree) : [LAYER_FORMATS[wish]];
}
