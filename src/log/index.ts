export { openLogger } from './open-logger.ts';
export type { Logger } from './types.ts';
