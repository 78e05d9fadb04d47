import { SignatureRefusal } from '../signed-content/index.ts';
import { requireLogged } from './require-logged.ts';
import type { ProvenTime, ProveTimes } from './trust-types.ts';
import { verifyLogEntry } from './verify-log-entry.ts';

/** An entry that one of the logs promised proves when it was made; one of the logs is as good as several. */
export const proveTimes: ProveTimes = (verified, { logEntries }, { logs }) => {
  if (logs.length === 0) return [];
  const keys = logs.map(({ key }) => key);
  const known = logEntries.flatMap((entry) => {
    const log = verifyLogEntry(entry, keys);
    return log === undefined ? [] : [{ entry, log }];
  });
  for (const { entry } of known) requireLogged(entry, verified);
  if (known.length === 0) {
    const what = logEntries.length === 0 ? 'it has no log entry' : 'its log entries are of other logs';
    throw new SignatureRefusal('log', `${what}; the requirement names the key of a log`, {
      remedy: 'sign the image again with an upload to this log, or take rekorPublicKey… out of the requirement',
    });
  }
  const times = known.flatMap(({ entry: { promise, integratedTime }, log }): readonly ProvenTime[] => {
    return promise === undefined ? [] : [{ at: readSeconds(integratedTime), source: 'log', by: log.name }];
  });
  return times.sort((one, other) => one.at.getTime() - other.at.getTime());
};

const MAX_SECONDS = 253_402_300_799n;

/** No log has reached the year 9999. */
function readSeconds(seconds: bigint): Date {
  if (seconds <= MAX_SECONDS) return new Date(Number(seconds) * 1000);
  throw new SignatureRefusal('log', 'its log entry has a time beyond the year 9999');
}
