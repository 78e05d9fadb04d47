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
 * JSON lines on standard error, written at once: a line is out before the next step begins, and no thread is started.
 * pino is loaded here and nowhere else, so that a program that does not log does not pay for it.
 */
export async function openLogger(options: {
  readonly level: string;
  readonly destination?: LogDestination;
}): Promise<Logger> {
  // A CommonJS package: in a bundle it has no other export.
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
