export { LAYER_FORMATS } from './formats.ts';
export {
  chainLayerKey,
  formatLayerKey,
  isLayerKey,
  type LayerKeyParts,
  layerFileName,
  layerFormatOf,
  layerKeyOf,
  parseLayerKey,
} from './layer-key.ts';
export type {
  HashTree,
  LayerFormatDefinition,
  LayerFormatName,
  LayerImage,
  LayerImageRequest,
  LayerKey,
  PublishedLayer,
  StoredTarget,
  TargetOptions,
} from './types.ts';
