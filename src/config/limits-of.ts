import type { Limits } from '../limits/index.ts';
import type { Configuration } from './types.ts';

/** The limits as the rooms take them, without their origin: only measured sources can have set one. */
export function limitsOf(configuration: Configuration): Limits {
  return Object.fromEntries(
    Object.entries(configuration.pull.limits).map(([name, limit]) => [name, limit.value]),
  ) as Limits;
}
