import type { Logger } from './types.ts';

type Level = Exclude<keyof Logger, 'child'>;

/** Makes the method of each level of a logger. */
export function methodsOfLevels(at: (level: Level) => Logger[Level]): Omit<Logger, 'child'> {
  return { trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
