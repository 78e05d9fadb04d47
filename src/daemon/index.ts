export { createDaemonService, type DaemonService, logProgress, type StorePull } from './create-daemon-service.ts';
export { DaemonStores } from './daemon-stores.ts';
export { createMeasurement } from './measure-image.ts';
export type { PullCounts, PullTimes } from './pull-statistics.ts';
export { type LoadedConfiguration, ReloadableConfiguration } from './reloadable-configuration.ts';
export { type DaemonFacts, type HealthSources, runDaemon } from './run-daemon.ts';
export { sweepBacking } from './sweep-backing.ts';
export type { PullServicePorts } from './types.ts';
