import { type Logger, openLoggerLater } from '../log/index.ts';
import { logFailure } from './log-failure.ts';
import type { LoadedConfiguration } from './reloadable-configuration.ts';

/**
 * Opens the log with the level of the configuration. Its first lines are why the configuration was refused and its
 * warnings, so that they are there even if the daemon cannot serve with the default settings in its place.
 * Later lines are held until pino is loaded: the socket does not wait for it.
 */
export async function openDaemonLog({ configuration, failure }: LoadedConfiguration): Promise<Logger> {
  const log = openLoggerLater({ level: configuration.log.level.value });
  if (failure !== undefined) logFailure(log, 'configuration refused', failure);
  for (const warning of configuration.warnings) log.warn({ warning }, 'configuration');
  await log.written();
  return log;
}
