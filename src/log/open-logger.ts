import type { Logger as PinoLogger } from 'pino';
import { redact } from '../errors/index.ts';
import { methodsOfLevels } from './levels.ts';
import { redactFields } from './redact-fields.ts';
import type { Logger } from './types.ts';

export interface LogDestination {
  write(line: string): void;
}

function wrapPino(pino: PinoLogger): Logger {
  return {
    ...methodsOfLevels((level) => (fields, message) => {
      if (pino.isLevelEnabled(level)) pino[level](redactFields(fields), redact(message));
    }),
    child: (fields) => wrapPino(pino.child(redactFields(fields))),
  };
}

/**
 * Opens a logger that writes JSON lines to standard error. Each line is written before the call returns, and no thread
 * is started. Only this function loads pino, so that a program that does not log does not pay for it.
 */
export async function openLogger(options: {
  readonly level: string;
  readonly destination?: LogDestination;
}): Promise<Logger> {
  // pino is a CommonJS package: in a bundle it has only the default export.
  const { default: pino } = await import('pino');
  const destination = options.destination ?? pino.destination({ fd: 2, sync: true });
  return wrapPino(
    pino(
      {
        level: options.level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    ),
  );
}
