export { openHealthServer } from './open-health-server.ts';
export type { HealthFacts, HealthServer } from './types.ts';
