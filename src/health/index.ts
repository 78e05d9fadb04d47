export { openHealthServer } from './open-health-server.ts';
