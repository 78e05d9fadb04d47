import { refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import { proveTimestamps } from './prove-timestamps.ts';
import type { LogEntry } from './read-log-entry.ts';
import { requireLogged } from './require-logged.ts';
import type { ProvenTime, ProveTimes, TrustedLog } from './trust-types.ts';
import { isEntryOf, verifyLogEntry } from './verify-log-entry.ts';
import { describeWindow, isWithin } from './windows.ts';

// docs/adr/0031-proven-time.md
/**
 * Returns the times at which this signature existed, the earliest first: of entries that a trusted log has promised, and
 * of timestamps by trusted authorities. Entries of other logs and timestamps of other authorities are not looked at; each
 * of the trusted ones has to hold. An entry is required if `trust` has a log, and else a timestamp if it has an authority.
 * Throws `SIGNATURE_REFUSED`.
 */
export const proveTimes: ProveTimes = (verified, evidence, trust) => {
  const { logEntries, timestamps } = evidence;
  const { logs, timestampAuthorities } = trust;
  const entries = logEntries.flatMap((entry) => findLog(entry, logs));
  if (logs.length > 0 && entries.length === 0) return refuseUnlogged(logEntries.length);
  for (const { entry, log } of entries) {
    verifyLogEntry(entry, log);
    requireLogged(entry, verified);
  }
  const stamped = proveTimestamps(verified.signature, evidence, timestampAuthorities);
  if (logs.length === 0 && timestampAuthorities.length > 0 && stamped.length === 0) {
    return refuseUnstamped(timestamps.length);
  }
  const times = [...entries.flatMap(promisedTime), ...stamped];
  for (const { entry, log } of entries) if (entry.promise === undefined) requireTimelyLog(log, times);
  return times.sort((one, other) => one.at.getTime() - other.at.getTime());
};

interface KnownEntry {
  readonly entry: LogEntry;
  readonly log: TrustedLog;
}

function findLog(entry: LogEntry, logs: readonly TrustedLog[]): readonly KnownEntry[] {
  const log = logs.find((each) => isEntryOf(entry, each));
  return log === undefined ? [] : [{ entry, log }];
}

function refuseUnlogged(count: number): never {
  const what = count === 0 ? 'it has no log entry' : 'its log entries are of other logs';
  throw new SignatureRefusal('log', `${what}; the requirement names the key of a log`, {
    remedy:
      'sign the image again with an upload to this log, or take its key (rekorPublicKey…, tlogs of the trusted root) out of the requirement',
  });
}

function refuseUnstamped(count: number): never {
  const what = count === 0 ? 'it has no timestamp' : 'its timestamps are by other authorities';
  throw new SignatureRefusal('timestamp', `${what}; the trusted root names a timestamp authority, and no log`, {
    remedy: 'sign the image again with a timestamp by one of the timestampAuthorities of the trusted root',
  });
}

/** The time in an entry counts only if the log has signed it: https://github.com/sigstore/sigstore-js/issues/1659 */
function promisedTime({ entry, log }: KnownEntry): readonly ProvenTime[] {
  if (entry.promise === undefined) return [];
  const at = new Date(Number(entry.integratedTime) * MILLISECONDS);
  if (Number.isNaN(at.getTime())) refuse(`its log entry has a time beyond all calendars: ${entry.integratedTime}`);
  if (!isWithin(log.validFor, at)) {
    refuse(
      `its log entry is of ${at.toISOString()}, and the log ${log.key.name} counts ${describeWindow(log.validFor)}`,
    );
  }
  return [{ at, source: 'log', by: log.key.name }];
}

const MILLISECONDS = 1000;

/**
 * An entry with a proof alone has no time of its own, so a log that counts for some time needs one from elsewhere. All of
 * them have to be in its window.
 */
function requireTimelyLog({ key, validFor }: TrustedLog, times: readonly ProvenTime[]): void {
  const isBounded = validFor.start !== undefined || validFor.end !== undefined;
  if (isBounded && times.length === 0) {
    throw new SignatureRefusal(
      'log',
      `its log entry has no time that the log ${key.name} has promised, and there is no timestamp by a trusted authority`,
      {
        remedy: 'sign the image again with a timestamp by one of the timestampAuthorities of the trusted root',
      },
    );
  }
  const other = times.find(({ at }) => !isWithin(validFor, at));
  if (other === undefined) return;
  const window = describeWindow(validFor);
  refuse(`its log entry is of a signature of ${other.at.toISOString()}, and the log ${key.name} counts ${window}`);
}

function refuse(text: string): never {
  return refuseSignature('log', text);
}
