import { type Logger, openLogger } from '../log/index.ts';
import type { ProgressEvent } from '../pull/index.ts';

/** Logs the stages and the warnings of a pull; progress of single layers is not logged. */
export function logProgress(event: ProgressEvent, log: Logger): void {
  if (event.type === 'stage') log.info({ stage: event.stage }, 'pull stage');
  if (event.type === 'warning') log.warn({}, event.message);
}

/** Returns a listener that also logs each stage of a pull if that is asked for; else the same one. */
export async function teeToLog(
  onProgress: (event: ProgressEvent) => void,
  { debug, reference }: { readonly debug: boolean; readonly reference: string },
  level: string,
): Promise<(event: ProgressEvent) => void> {
  if (!debug) return onProgress;
  const logger = (await openLogger({ level })).child({ reference });
  return (event) => {
    onProgress(event);
    logProgress(event, logger);
  };
}
