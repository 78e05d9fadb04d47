export { inspectImage } from './inspect-image.ts';
export { Lanes } from './lanes.ts';
export type { ImagePorts, PullPorts, RunBundleOperation } from './ports.ts';
export { pullImage } from './pull-image.ts';
export type {
  InspectedLayer,
  InspectResult,
  InspectSummary,
  LayerProgressState,
  ProgressEvent,
  PulledLayer,
  PullRequest,
  PullResult,
  PullTarget,
} from './types.ts';
export { unmountBundle } from './unmount-bundle.ts';
