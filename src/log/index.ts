export { type LogDestination, openLogger } from './open-logger.ts';
export { SILENT_LOGGER } from './silent-logger.ts';
export type { LogFields, Logger } from './types.ts';
