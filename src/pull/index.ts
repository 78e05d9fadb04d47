export { inspectImage } from './inspect-image.ts';
export type { LayerFormat } from './layer-format.ts';
export { listImages, pruneStore, removeImages } from './manage-images.ts';
export { firstName } from './named-image.ts';
export type { GatePorts, ImagePorts, PullPorts } from './ports.ts';
export { pullImage } from './pull-image.ts';
export { chooseStoreFormat, cliBacking, type StoreBacking, wantedLayerFormat } from './store-backing.ts';
export { sweepStore } from './sweep-store.ts';
export type {
  InspectResult,
  ListedImage,
  ProgressEvent,
  PullRequest,
  PullResult,
  PullTarget,
  Removal,
  VerifyResult,
} from './types.ts';
export { unmountBundle } from './unmount-bundle.ts';
export { verifyImage } from './verify-image.ts';
