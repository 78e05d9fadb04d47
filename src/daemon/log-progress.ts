import type { Logger } from '../log/index.ts';
import type { ProgressEvent } from '../pull/index.ts';

/** Logs the stages and the warnings of a pull; progress of single layers is not logged. */
export function logProgress(event: ProgressEvent, log: Logger): void {
  if (event.type === 'stage') log.info({ stage: event.stage }, 'pull stage');
  if (event.type === 'warning') log.warn({}, event.message);
}
