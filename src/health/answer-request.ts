import type { DaemonFacts } from '../daemon/index.ts';
import { describeHealth } from './describe-health.ts';
import { formatMetrics, METRICS_TYPE } from './format-metrics.ts';
import { rememberFor } from './remember-for.ts';
import type { HealthPorts } from './types.ts';

/** How old a measurement may be; each one starts a worker, so they are not taken for every request. */
const SPACE_MAX_AGE_MS = 30_000;

export interface HealthRequest {
  readonly method: string | undefined;
  /** The path with its query, unchecked. */
  readonly target: string | undefined;
}

export interface HealthAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

/** Creates the function that answers requests; nothing that a client sends makes it reject. */
export function createAnswers(ports: HealthPorts): (request: HealthRequest) => Promise<HealthAnswer> {
  const { measureSpace: make, nowMs } = ports;
  const measureSpace = rememberFor({ make, nowMs, maxAgeMs: SPACE_MAX_AGE_MS });
  return async ({ method, target = '' }) => {
    const [path] = target.split('?', 1);
    if (path !== '/healthz' && path !== '/metrics') return { status: 404, type: TEXT, body: 'not found\n' };
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: TEXT, body: 'GET only\n' };
    const facts = ports.facts();
    if (path === '/healthz') {
      const { status, body } = describeHealth(facts, ports.memory());
      return { status, type: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
    }
    const isHanging = facts.stuckThreads > 0;
    const space = isHanging ? undefined : await measureSpace(markOf(facts));
    return { status: 200, type: METRICS_TYPE, body: formatMetrics({ facts, space, memory: ports.memory() }) };
  };
}

/** Returns a text that changes when a pull ends or the state of the volume changes. */
function markOf({ pulls, volume }: DaemonFacts): string {
  return `${pulls.ok.count} ${pulls.failed.count} ${volume.state}`;
}
