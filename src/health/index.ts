export { openHealthServer } from './open-health-server.ts';
export type { HealthAddress, HealthFacts, HealthPorts, HealthServer, HealthServerOptions } from './types.ts';
