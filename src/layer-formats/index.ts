export { chainLayerKey } from './chain-layer-key.ts';
export { LAYER_FORMATS } from './formats.ts';
export {
  formatLayerKey,
  isLayerKey,
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
} from './types.ts';
