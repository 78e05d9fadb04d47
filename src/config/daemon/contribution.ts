import type { ConfigurationSource } from '../types.ts';
import type { PullObstacle } from './types.ts';

/** What one source of the daemon adds to its configuration. */
export interface Contribution {
  readonly sources: readonly ConfigurationSource[];
  readonly obstacles: readonly PullObstacle[];
  readonly warnings: readonly string[];
}

/** Joins contributions, the strongest first. */
export function joinContributions(contributions: readonly Contribution[]): Contribution {
  return {
    sources: contributions.flatMap(({ sources }) => sources),
    obstacles: contributions.flatMap(({ obstacles }) => obstacles),
    warnings: contributions.flatMap(({ warnings }) => warnings),
  };
}
