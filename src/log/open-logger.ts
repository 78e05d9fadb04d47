import type { Logger as PinoLogger } from 'pino';
import { redact } from '../errors/index.ts';
import { redactFields } from './redact-fields.ts';
import type { LogFields, Logger } from './types.ts';

export interface LogDestination {
  write(line: string): void;
}

function wrapPino(pino: PinoLogger): Logger {
  const at = (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') => (fields: LogFields, message: string) => {
    if (pino.isLevelEnabled(level)) pino[level](redactFields(fields), redact(message));
  };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
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
