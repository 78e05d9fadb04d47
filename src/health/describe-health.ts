import type { DaemonFacts } from '../daemon/index.ts';
import { daemonHint, type PlainError } from '../errors/index.ts';
import type { ResidentMemory } from '../platform/index.ts';

/** The version of the document's format. */
const SCHEMA = 1;

export interface HealthDocument {
  readonly status: 200 | 503;
  readonly body: object;
}

/** Describes the daemon's health; the README lists what makes the status 503. */
export function describeHealth(facts: DaemonFacts, memory: ResidentMemory): HealthDocument {
  const { version, uptimeSeconds, pulls, stuckThreads, obstacle } = facts;
  const { state, backing, integrity, error, stuckPrograms } = facts.volume;
  // A pull that comes during the preparation waits for it and is served then.
  const isServed = obstacle === undefined && (backing !== undefined || state === 'preparing');
  const body = {
    schema: SCHEMA,
    status: isServed ? 'ok' : 'unavailable',
    version,
    uptimeSeconds: Math.round(uptimeSeconds),
    store: { state, place: backing?.kind, reason: backing?.reason, integrity, error: describeError(error) },
    pulls: { underWay: pulls.underWay },
    stuckThreads,
    stuckPrograms,
    memory,
    obstacle: describeError(obstacle),
  };
  return { status: isServed ? 200 : 503, body };
}

function describeError(error: Pick<PlainError, 'code' | 'message' | 'hint'> | undefined) {
  if (error === undefined) return undefined;
  return { code: error.code, message: error.message, hint: daemonHint(error) };
}
