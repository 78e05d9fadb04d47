export { openHealthServer } from './open-health-server.ts';
export type { HealthServer } from './types.ts';
