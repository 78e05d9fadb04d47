import type { LayerFormatDefinition, LayerFormatName } from './types.ts';

/** The file that the writer of images makes in a staging directory. */
export const STAGED_IMAGE = 'layer.erofs';

/** https://docs.kernel.org/filesystems/erofs.html; why images: docs/adr/0014-layer-images.md */
const EROFS: LayerFormatDefinition = {
  name: 'erofs',
  writerVersion: 1,
  fileType: 'file',
  fileSuffix: '.erofs',
  stagedName: STAGED_IMAGE,
  kernelNeed: { probe: 'erofs', what: 'EROFS images' },
  canHaveTree: true,
  target: (staging, { lowers, verity }) => ({ kind: 'image', path: `${staging}/${STAGED_IMAGE}`, lowers, verity }),
  mount: ({ path, record: { key, image } }) => {
    return { key, image: path, imageBytes: image?.verity?.hashOffset ?? image?.bytes, tree: image?.verity };
  },
};

/** A tree as overlayfs reads a lower directory. */
const DIRECTORY: LayerFormatDefinition = {
  name: 'directory',
  writerVersion: 1,
  fileType: 'directory',
  fileSuffix: '',
  stagedName: undefined,
  kernelNeed: undefined,
  canHaveTree: false,
  target: (staging, { lowers }) => ({ kind: 'overlay', directory: staging, lowers }),
  mount: () => undefined,
};

/** Every format by its name, in the order in which `auto` prefers them. */
export const LAYER_FORMATS: Readonly<Record<LayerFormatName, LayerFormatDefinition>> = {
  erofs: EROFS,
  directory: DIRECTORY,
};
