export { createPullService } from './create-pull-service.ts';
export type { PullAnswer, PullCall, PullService, PullServicePorts, PullServiceSettings } from './types.ts';
export { createResolverGate, type ResolverPorts } from './wait-for-resolver.ts';
export { createMountWatch, type MountWatch, type MountWatchPorts } from './watch-mounts.ts';
