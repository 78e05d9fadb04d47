export { countPulls } from './count-pulls.ts';
export { createPullService } from './create-pull-service.ts';
export { limitLayers } from './limit-layers.ts';
export { type PullCounts, type PullOutcome, PullStatistics, type PullTimes } from './pull-statistics.ts';
export type { PullAnswer, PullCall, PullService, PullServicePorts, PullServiceSettings } from './types.ts';
export { createResolverGate, type ResolverPorts } from './wait-for-resolver.ts';
export { createMountWatch, type MountWatch, type MountWatchPorts } from './watch-mounts.ts';
