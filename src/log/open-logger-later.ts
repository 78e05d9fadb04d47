import { methodsOfLevels } from './levels.ts';
import { openLogger } from './open-logger.ts';
import type { Logger } from './types.ts';

export interface LaterLogger extends Logger {
  /** Resolves when all lines until now are written. */
  written(): Promise<void>;
}

type Write = (logger: Logger) => void;

/**
 * Opens a logger whose first line loads pino: the daemon opens its socket first. Lines are held, in their order, until
 * pino is there; each later one is written before the call returns.
 */
export function openLoggerLater(options: Parameters<typeof openLogger>[0]): LaterLogger {
  const held: Write[] = [];
  let opened: Logger | undefined;
  let opening: Promise<void> | undefined;
  const open = async (): Promise<void> => {
    const logger = await openLogger(options);
    for (const write of held) write(logger);
    opened = logger;
  };
  const write = (line: Write): void => {
    if (opened !== undefined) {
      line(opened);
      return;
    }
    held.push(line);
    opening ??= open();
  };
  return { ...createLogger(write, (root) => root), written: async () => opening };
}

/** `derive` makes the logger of the lines from the one that was opened. */
function createLogger(write: (line: Write) => void, derive: (root: Logger) => Logger): Logger {
  let derived: Logger | undefined;
  const own = (root: Logger): Logger => {
    derived ??= derive(root);
    return derived;
  };
  return {
    ...methodsOfLevels((level) => (fields, message) => write((root) => own(root)[level](fields, message))),
    child: (fields) => createLogger(write, (root) => own(root).child(fields)),
  };
}
