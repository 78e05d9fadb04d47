export { openLogger } from './open-logger.ts';
export { openLoggerLater } from './open-logger-later.ts';
export type { Logger } from './types.ts';
