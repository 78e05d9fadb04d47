import type { ConfigurationSource } from '../types.ts';
import type { PullObstacle } from './types.ts';

/** The settings, obstacles and warnings that one source adds to the configuration of the daemon. */
export interface Contribution {
  readonly sources: readonly ConfigurationSource[];
  readonly obstacles: readonly PullObstacle[];
  readonly warnings: readonly string[];
}

/** Joins contributions. The strongest comes first. */
export function joinContributions(contributions: readonly Contribution[]): Contribution {
  return {
    sources: contributions.flatMap(({ sources }) => sources),
    obstacles: contributions.flatMap(({ obstacles }) => obstacles),
    warnings: contributions.flatMap(({ warnings }) => warnings),
  };
}
