import type { PlainError } from '../errors/index.ts';
import type { HealthFacts } from './types.ts';

/** Version of the document. */
const SCHEMA = 1;

export interface HealthDocument {
  readonly status: 200 | 503;
  readonly body: object;
}

/** See the README for what makes it 503. */
export function describeHealth(facts: HealthFacts): HealthDocument {
  const { version, uptimeSeconds, pulls, stuckThreads, obstacle } = facts;
  const { state, place, integrity, error, stuckPrograms } = facts.volume;
  // A pull waits for the preparation and is served then.
  const isServed = obstacle === undefined && (place !== undefined || state === 'preparing');
  const body = {
    schema: SCHEMA,
    status: isServed ? 'ok' : 'unavailable',
    version,
    uptimeSeconds: Math.round(uptimeSeconds),
    store: { state, place: place?.kind, reason: place?.reason, integrity, error: trouble(error) },
    pulls: { underWay: pulls.underWay },
    stuckThreads,
    stuckPrograms,
    obstacle: trouble(obstacle),
  };
  return { status: isServed ? 200 : 503, body };
}

function trouble(error: Pick<PlainError, 'code' | 'message' | 'hint'> | undefined) {
  if (error === undefined) return undefined;
  const { code, message, hint } = error;
  return { code, message, hint };
}
