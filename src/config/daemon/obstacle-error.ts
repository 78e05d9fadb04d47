import { SealiftError } from '../../errors/index.ts';
import type { DaemonConfiguration } from './types.ts';

/** What each pull is answered with, if the configuration asks for something that we cannot honour. */
export function obstacleError({ pullObstacles }: Pick<DaemonConfiguration, 'pullObstacles'>): SealiftError | undefined {
  const [first, ...others] = pullObstacles;
  if (first === undefined) return undefined;
  const { code, key, origin, reason, hint } = first;
  const more = others.length === 0 ? '' : ` (and ${others.map((other) => other.key).join(', ')})`;
  return new SealiftError(code, `${origin}: ${key}: ${reason}${more}`, { hint, context: { key, origin } });
}
